/** YAML text to documents, within limits: what every reader of YAML from outside goes through. */
import {
  Composer,
  type Document,
  type DocumentOptions,
  type EmptyStream,
  LineCounter,
  type ParseOptions,
  Parser,
  type SchemaOptions,
} from "yaml";
import type { Json } from "../api/kind.ts";
import { lexYaml, MAX_FILE_VALUES } from "./yaml-limits.ts";
import { YamlProblemError, yamlValue } from "./yaml-value.ts";

export interface YamlDocument {
  /** Where its content begins, from 1. */
  readonly line: number;
  /** null: the document is empty, or only comments. */
  readonly value: Json;
}

export interface YamlProblem {
  readonly line: number;
  /** From 1; undefined where the whole line, or all from there on, is meant. */
  readonly column: number | undefined;
  readonly message: string;
}

export interface YamlText {
  readonly documents: readonly YamlDocument[];
  /** One for each document that is left out. */
  readonly problems: readonly YamlProblem[];
  /** What is read, and is hardly meant: keys that are there twice. */
  readonly warnings: readonly YamlProblem[];
}

export interface YamlOptions {
  /** Keys, items and scalars that the text may have, also behind its aliases. Default: a file's. */
  readonly values?: number;
  /** For tests: told before anything is built. */
  readonly onParse?: () => void;
}

export function readYaml(text: string, options: YamlOptions = {}): YamlText {
  const lines = new LineCounter();
  const values = options.values ?? MAX_FILE_VALUES;
  const parsed = yamlNodes(text, { values, lines, schema: "failsafe", onParse: options.onParse });
  if ("message" in parsed) return { documents: [], problems: [parsed], warnings: [] };
  const read: { documents: YamlDocument[]; problems: YamlProblem[]; warnings: YamlProblem[] } = {
    documents: [],
    problems: [],
    warnings: [],
  };
  for (const document of parsed) {
    const found = readDocument(document, lines, values);
    if ("message" in found) read.problems.push(found);
    else {
      read.documents.push(found.document);
      read.warnings.push(...found.warnings);
    }
  }
  return read;
}

export interface NodeOptions {
  readonly values: number;
  readonly lines: LineCounter;
  /** `failsafe` where only values are wanted: nothing is resolved twice. */
  readonly schema: "failsafe" | "core";
  readonly onParse?: (() => void) | undefined;
}

/** The documents with their nodes, for those that edit them, or why they are not read. */
export function yamlNodes(text: string, options: NodeOptions): Document.Parsed[] | YamlProblem {
  const tokens = lexYaml(withoutMark(text), options.values);
  if ("message" in tokens) return { ...tokens, column: undefined };
  options.onParse?.();
  options.lines.addNewLine(0);
  const parser = new Parser(options.lines.addNewLine);
  // Its own search for keys that are there twice compares each with each.
  const settings: ParseOptions & DocumentOptions & SchemaOptions = {
    prettyErrors: false,
    uniqueKeys: false,
    schema: options.schema,
    resolveKnownTags: options.schema !== "failsafe",
    compat: "yaml-1.1",
  };
  const composer = new Composer(settings);
  const found: (Document.Parsed | EmptyStream)[] = [...composer.compose(parsed(parser, tokens))];
  return found as Document.Parsed[];
}

/** A byte order mark says nothing in UTF-8. */
function withoutMark(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

function* parsed(parser: Parser, tokens: readonly string[]): ReturnType<Parser["parse"]> {
  for (const token of tokens) yield* parser.next(token);
  yield* parser.end();
}

function readDocument(
  document: Document.Parsed,
  lines: LineCounter,
  values: number,
): { document: YamlDocument; warnings: readonly YamlProblem[] } | YamlProblem {
  const [error] = document.errors;
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  if (error !== undefined) {
    return { ...place(error.pos[0]), message: error.message.split("\n")[0] ?? "" };
  }
  const { line } = lines.linePos(document.contents?.range?.[0] ?? 0);
  try {
    const { value, twice } = yamlValue(document.contents, values);
    const warnings = twice.map(({ key, offset }) => ({
      ...place(offset),
      message: `the key ${JSON.stringify(key)} is there twice: the last one counts`,
    }));
    return { document: { line, value }, warnings };
  } catch (error) {
    if (!(error instanceof YamlProblemError)) throw error;
    return { ...place(error.offset), message: error.message };
  }
}
