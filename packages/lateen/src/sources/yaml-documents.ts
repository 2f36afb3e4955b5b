/** YAML text to documents, within limits: what every reader of YAML from outside goes through. */
import {
  type Document,
  isScalar,
  LineCounter,
  type ParseOptions,
  parseAllDocuments,
  visit,
} from "yaml";
import type { Json } from "../api/kind.ts";
import { yamlExcess } from "./yaml-limits.ts";

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
}

export interface YamlOptions {
  /** `<<` takes in another mapping (YAML 1.1). */
  readonly merge?: boolean;
  /** For tests: what parses. */
  readonly parse?: (text: string, options: ParseOptions) => readonly Document[] | object;
}

/** More would be a bomb: YAML's aliases multiply. */
const MAX_ALIASES = 100;

export function readYaml(text: string, options: YamlOptions = {}): YamlText {
  const excess = yamlExcess(text);
  if (excess !== undefined) return { documents: [], problems: [{ ...excess, column: undefined }] };
  const lineCounter = new LineCounter();
  const parse = options.parse ?? parseAllDocuments;
  // Its own search for keys that are there twice compares each with each.
  const merge = options.merge === true;
  const settings = { lineCounter, prettyErrors: false, uniqueKeys: false, merge };
  const parsed = parse(text, settings);
  const documents: YamlDocument[] = [];
  const problems: YamlProblem[] = [];
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const read = readDocument(document, lineCounter);
    if ("message" in read) problems.push(read);
    else documents.push(read);
  }
  return { documents, problems };
}

function readDocument(document: Document, lines: LineCounter): YamlDocument | YamlProblem {
  const [error] = document.errors;
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  if (error !== undefined) {
    return { ...place(error.pos[0]), message: error.message.split("\n")[0] ?? "" };
  }
  const twice = doubledKey(document);
  if (twice !== undefined) {
    return { ...place(twice.offset), message: `the key ${twice.key} is there twice` };
  }
  const { line } = lines.linePos(document.contents?.range?.[0] ?? 0);
  try {
    const plain: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    // YAML knows values that JSON does not (binary, infinity): from here on there is only JSON.
    const value: Json = JSON.parse(JSON.stringify(plain ?? null));
    return { line, value };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { line, column: undefined, message: `this YAML can not be read: ${reason}` };
  }
}

function doubledKey(document: Document): { key: string; offset: number } | undefined {
  let found: { key: string; offset: number } | undefined;
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value) && key.value !== "<<") {
          found = { key: JSON.stringify(key.value), offset: key.range?.[0] ?? 0 };
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}
