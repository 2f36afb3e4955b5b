/**
 * What YAML from outside may be before anything is built of it. Parsing costs far more than the text's
 * length where it is nested deep, broken at every character, or holds many values: all are found here
 * by the lexer, in linear time.
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
/** Tokens that can not be where they are. Fewer are the parser's to explain, which it does better. */
const MAX_MISPLACED = 100;
/** Files of the one who reads them; a request has less (`YamlOptions.values`). */
export const MAX_FILE_VALUES = 1_000_000;
/** Layout, comments and indicators beside each value; more is nothing that people or programs write. */
const TOKENS_PER_VALUE = 20;

/** The text's tokens, or why it is not to be parsed. `values`: keys, items and scalars it may have. */
export function lexYaml(text: string, values: number): readonly string[] | YamlExcess {
  if (text.length > MAX_DOCUMENT_CHARS) {
    return { line: 1, message: `the document is larger than ${MAX_DOCUMENT_CHARS} characters` };
  }
  return new Scan(values).run(text);
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
const VALUES: ReadonlySet<string | null> = new Set([
  "alias",
  "double-quoted-scalar",
  "flow-map-start",
  "flow-seq-start",
  "scalar",
  "seq-item-ind",
  "single-quoted-scalar",
]);
/** The lexer marks documents and scalars by characters that are not in the text. */
const SCALAR_MARK = "\u001f";
const MARKS = `\u0002\u0018${SCALAR_MARK}\uFEFF`;

class Scan {
  readonly #values: number;
  readonly #tokens: string[] = [];
  #valuesSeen = 0;
  #line = 1;
  #column = 0;
  /** Columns at which the block collections begin that are open here. */
  #blocks: number[] = [];
  #brackets = 0;
  #misplaced = 0;
  #last: string | null = null;
  #valuesInLine = 0;
  #atLineBegin = true;

  constructor(values: number) {
    this.#values = values;
  }

  run(text: string): readonly string[] | YamlExcess {
    for (const lexeme of new Lexer().lex(text)) {
      const type = CST.tokenType(lexeme);
      this.#take(type);
      if (VALUES.has(type)) this.#valuesSeen++;
      if (this.#blocks.length + this.#brackets > MAX_YAML_DEPTH)
        return this.#excess(`the document is nested deeper than ${MAX_YAML_DEPTH} levels`);
      if (this.#misplaced > MAX_MISPLACED)
        return this.#excess(`this is no YAML: ${type ?? "text"} where there can be none`);
      if (this.#valuesSeen > this.#values)
        return this.#excess(`the text has more than ${this.#values} keys and values`);
      if (this.#tokens.length > this.#values * TOKENS_PER_VALUE)
        return this.#excess(`the text has more than ${this.#values * TOKENS_PER_VALUE} tokens`);
      this.#keep(lexeme);
      this.#move(lexeme);
    }
    return this.#tokens;
  }

  /**
   * A colon before a bracket or comma belongs to the text for Kubernetes, as in `[::, fe80::]`; for the
   * lexer it makes a key.
   */
  #keep(lexeme: string): void {
    const tokens = this.#tokens;
    if (this.#brackets >= 0 && (lexeme === "]" || lexeme === "}") && isPlainAndColon(tokens, 3)) {
      const scalar = tokens.at(-2) ?? "";
      tokens.splice(-2, 2, `${scalar}:`);
    } else if (
      lexeme === "," &&
      tokens.at(-1) === "" &&
      tokens.at(-2) === SCALAR_MARK &&
      isPlainAndColon(tokens, 5)
    ) {
      const scalar = tokens.at(-4) ?? "";
      tokens.splice(-4, 4, `${scalar}:`);
    }
    tokens.push(lexeme);
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
      if (!MARKS.includes(lexeme)) this.#column += lexeme.length;
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

/** `SCALAR_MARK, text, ":"` at `from` tokens before the end. */
function isPlainAndColon(tokens: readonly string[], from: number): boolean {
  const at = tokens.length - from;
  return tokens[at] === SCALAR_MARK && tokens[at + 1] !== "" && tokens[at + 2] === ":";
}
