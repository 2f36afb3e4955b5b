/**
 * What YAML from outside may be before a parser sees it. Parsing costs far more than the text's
 * length where it is nested deep, or broken at every character: both are found here by the lexer,
 * in linear time.
 */
import { CST, Lexer } from "yaml";

export interface YamlExcess {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export const MAX_YAML_DEPTH = 100;
/** One document; a file may hold many. */
const MAX_DOCUMENT_CHARS = 16 * 1024 * 1024;
/** Shorter texts cost little whatever is in them, apart from nesting. */
const SMALL_CHARS = 32 * 1024;
/** Tokens that can not be where they are. Fewer are the parser's to explain, which it does better. */
const MAX_MISPLACED = 100;

/** Undefined: the text may be parsed. */
export function yamlExcess(text: string): YamlExcess | undefined {
  if (text.length > MAX_DOCUMENT_CHARS) {
    return { line: 1, message: `the document is larger than ${MAX_DOCUMENT_CHARS} characters` };
  }
  return isPlain(text) ? undefined : new Scan().run(text);
}

/** Most objects are: short, hardly a bracket, and no line that begins far to the right. */
function isPlain(text: string): boolean {
  if (text.length > SMALL_CHARS) return false;
  let brackets = 0;
  let begin = 0;
  let isBegin = true;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? "";
    if (char === "\n") {
      begin = 0;
      isBegin = true;
    } else if (isBegin && " -?:".includes(char)) begin++;
    else isBegin = false;
    if (char === "{" || char === "[") brackets++;
    if (brackets > MAX_YAML_DEPTH || begin > MAX_YAML_DEPTH) return false;
  }
  return true;
}

/** Tokens of which two in a row are always a mistake. */
const NEVER_TWICE: ReadonlySet<string | null> = new Set([
  "alias",
  "anchor",
  "comma",
  "double-quoted-scalar",
  "single-quoted-scalar",
  "tag",
]);
const LAYOUT: ReadonlySet<string | null> = new Set(["comment", "newline", "space"]);

class Scan {
  #line = 1;
  #column = 0;
  /** Columns at which the block collections begin that are open here. */
  #blocks: number[] = [];
  #brackets = 0;
  #misplaced = 0;
  #last: string | null = null;
  #valuesInLine = 0;
  #atLineBegin = true;

  run(text: string): YamlExcess | undefined {
    for (const lexeme of new Lexer().lex(text)) {
      const type = CST.tokenType(lexeme);
      this.#take(type);
      if (this.#blocks.length + this.#brackets > MAX_YAML_DEPTH)
        return this.#excess(`the document is nested deeper than ${MAX_YAML_DEPTH} levels`);
      if (this.#misplaced > MAX_MISPLACED)
        return this.#excess(`this is no YAML: ${type ?? "text"} where there can be none`);
      this.#move(lexeme);
    }
    return undefined;
  }

  #take(type: string | null): void {
    if (type === "doc-start" || type === "doc-end") this.#blocks = [];
    else if (type === "flow-map-start" || type === "flow-seq-start") this.#brackets++;
    else if (type === "flow-map-end" || type === "flow-seq-end")
      this.#brackets = Math.max(0, this.#brackets - 1);
    if (LAYOUT.has(type)) return;
    if (this.#brackets === 0) this.#block(type);
    if (type === this.#last && NEVER_TWICE.has(type)) this.#misplaced++;
    this.#last = type;
  }

  /** An indicator opens a collection at its column; so does what begins a line: a key, maybe. */
  #block(type: string | null): void {
    const opens = type === "seq-item-ind" || type === "explicit-key-ind";
    if (type === "map-value-ind" && ++this.#valuesInLine > 2) this.#misplaced++;
    if (!opens && !this.#atLineBegin) return;
    while ((this.#blocks.at(-1) ?? -1) >= this.#column) this.#blocks.pop();
    this.#blocks.push(this.#column);
    this.#atLineBegin = opens;
  }

  #move(lexeme: string): void {
    const end = lexeme.lastIndexOf("\n");
    if (end < 0) {
      // The lexer marks documents and scalars by characters that are not in the text.
      if (!"\u0002\u0018\u001f\uFEFF".includes(lexeme)) this.#column += lexeme.length;
      return;
    }
    for (let i = 0; i <= end; i++) if (lexeme[i] === "\n") this.#line++;
    this.#column = lexeme.length - end - 1;
    this.#atLineBegin = true;
    this.#valuesInLine = 0;
  }

  #excess(message: string): YamlExcess {
    return { line: this.#line, message };
  }
}
