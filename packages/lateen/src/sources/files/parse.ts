/** Kubernetes objects in YAML and JSON text, with the line that each begins on. */
import { type Document, LineCounter, parseAllDocuments } from "yaml";
import type { Json, JsonObject } from "../../api/kind.ts";
import { arrayAt, findExcess, isObject, stringAt } from "../json.ts";

export interface ParsedObject {
  readonly object: JsonObject;
  /** From 1. */
  readonly line: number;
}

export interface ParseProblem {
  readonly line: number;
  readonly message: string;
}

export interface ParsedText {
  readonly objects: readonly ParsedObject[];
  readonly problems: readonly ParseProblem[];
}

const MAX_DEPTH = 100;
/** More would be a bomb: YAML's aliases multiply. */
const MAX_ALIASES = 100;

/** Documents of a file by their text: those that stay as they are need not be parsed again. */
export type DocumentCache = ReadonlyMap<string, ParsedText>;

/**
 * Documents with errors are left out and named; the others are taken. `known` comes from the
 * version before and `seen` is filled for the next one.
 */
export function parseText(
  text: string,
  json: boolean,
  known: DocumentCache,
  seen: Map<string, ParsedText>,
): ParsedText {
  const whole = json ? parseJson(text) : undefined;
  if (whole !== undefined) return checked(whole, 1);
  const objects: ParsedObject[] = [];
  const problems: ParseProblem[] = [];
  for (const { chunk, before } of chunksOf(text)) {
    const parsed = known.get(chunk) ?? seen.get(chunk) ?? parseYaml(chunk);
    seen.set(chunk, parsed);
    for (const { object, line } of parsed.objects) objects.push({ object, line: line + before });
    for (const { message, line } of parsed.problems)
      problems.push({ message, line: line + before });
  }
  return { objects, problems };
}

interface Chunk {
  readonly chunk: string;
  /** Lines of the file before it. */
  readonly before: number;
}

/** Cuts at `---`, which at the beginning of a line is nothing but the end of a document. */
function chunksOf(text: string): Chunk[] {
  // Directives (%YAML, %TAG) belong to the document that follows them: rare, so not cut at all.
  if (/^%/m.test(text)) return [{ chunk: text, before: 0 }];
  const chunks: Chunk[] = [];
  let before = 0;
  for (const chunk of text.split(/^(?=---(?:\s|$))/m)) {
    chunks.push({ chunk, before });
    before += chunk.split("\n").length - 1;
  }
  return chunks;
}

function parseYaml(text: string): ParsedText {
  const objects: ParsedObject[] = [];
  const problems: ParseProblem[] = [];
  const lines = new LineCounter();
  for (const document of documentsOf(text, lines)) {
    const [error] = document.errors;
    if (error !== undefined) {
      const message = error.message.split("\n")[0] ?? "";
      problems.push({ line: lines.linePos(error.pos[0]).line, message });
      continue;
    }
    const start = document.contents?.range?.[0];
    if (start === undefined || document.contents === null) continue;
    const value = jsonOf(document);
    const { line } = lines.linePos(start);
    if (typeof value === "string") problems.push({ line, message: value });
    // An empty document (only comments) is nothing to complain about.
    else if (value.json !== null) {
      const found = checked(value.json, line);
      objects.push(...found.objects);
      problems.push(...found.problems);
    }
  }
  return { objects, problems };
}

function checked(value: Json, line: number): ParsedText {
  const excess = findExcess(value, MAX_DEPTH);
  const message = excess === undefined ? undefined : `the document has ${excess}`;
  if (message !== undefined || !isObject(value))
    return { objects: [], problems: [{ line, message: message ?? NOT_AN_OBJECT }] };
  return { objects: itemsOf(value).map(object => ({ object, line })), problems: [] };
}

const NOT_AN_OBJECT =
  "the document is not an object (apiVersion, kind, metadata, ...): is a `---` missing or too much?";

/** JSON files are mostly generated and large; only a broken one needs the parser with positions. */
function parseJson(text: string): Json | undefined {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function documentsOf(text: string, lineCounter: LineCounter): readonly Document[] {
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false });
  return Array.isArray(documents) ? documents : [];
}

function jsonOf(document: Document): { readonly json: Json } | string {
  try {
    const plain: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    // YAML knows values that JSON does not (binary, infinity): from here on there is only JSON.
    const json: Json = JSON.parse(JSON.stringify(plain ?? null));
    return { json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The objects of a `List` (also `PodList`, ...), or the object itself. */
function itemsOf(object: JsonObject): readonly JsonObject[] {
  const isList = stringAt(object, "kind").endsWith("List") && Array.isArray(object["items"]);
  return isList ? arrayAt(object, "items").filter(isObject) : [object];
}
