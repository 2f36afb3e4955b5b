/**
 * Where the documents of a text begin and end, as kubectl reads it: at `---`, and JSON objects follow
 * one another as they like, in a row, a line each, or over many lines.
 */
export interface TextPart {
  readonly text: string;
  /** Lines of the file before it. */
  readonly before: number;
  /** It is one whole JSON object; other parts are YAML, of any number of documents. */
  readonly json: boolean;
}

export function partsOf(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let before = 0;
  for (const chunk of chunksOf(text.startsWith("\uFEFF") ? text.slice(1) : text)) {
    const objects = jsonParts(chunk, before);
    parts.push(...(objects ?? [{ text: chunk, before, json: false }]));
    before += linesIn(chunk, 0, chunk.length);
  }
  return parts;
}

/** Cuts at `---`, which at the beginning of a line is nothing but the end of a document. */
function chunksOf(text: string): string[] {
  // Directives (%YAML, %TAG) belong to the document that follows them: rare, so not cut at all.
  return /^%/m.test(text) ? [text] : text.split(/^(?=---(?:\s|$))/m);
}

const SEPARATOR = /^---[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/;
const WHITE = /[ \t\r\n]*/y;

/** undefined: the chunk is not JSON from its beginning to its end. */
function jsonParts(chunk: string, linesBefore: number): TextPart[] | undefined {
  let offset = SEPARATOR.exec(chunk)?.[0].length ?? 0;
  let before = linesBefore + linesIn(chunk, 0, offset);
  const parts: TextPart[] = [];
  for (;;) {
    const end = afterWhite(chunk, offset);
    before += linesIn(chunk, offset, end);
    offset = end;
    if (offset === chunk.length) return parts.length === 0 ? undefined : parts;
    const close = chunk[offset] === "{" ? objectEnd(chunk, offset) : undefined;
    if (close === undefined) return undefined;
    parts.push({ text: chunk.slice(offset, close), before, json: true });
    before += linesIn(chunk, offset, close);
    offset = close;
  }
}

function afterWhite(text: string, offset: number): number {
  WHITE.lastIndex = offset;
  return offset + (WHITE.exec(text)?.[0].length ?? 0);
}

/** Behind the bracket that closes the one at `start`. */
function objectEnd(text: string, start: number): number | undefined {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      i = stringEnd(text, i);
    } else if (char === "{" || char === "[") depth++;
    else if ((char === "}" || char === "]") && --depth === 0) return i + 1;
  }
  return undefined;
}

/** Of the quote that closes the one at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i;
}

function linesIn(text: string, start: number, end: number): number {
  let lines = 0;
  for (let at = text.indexOf("\n", start); at >= 0 && at < end; at = text.indexOf("\n", at + 1))
    lines++;
  return lines;
}
