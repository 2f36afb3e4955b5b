/** Kubernetes objects in YAML and JSON text, with the line that each begins on. */
import type { Json, JsonObject } from "../../api/kind.ts";
import { arrayAt, findExcess, isObject, stringAt } from "../json.ts";
import { readYaml } from "../yaml-documents.ts";
import { MAX_YAML_DEPTH } from "../yaml-limits.ts";

export interface ParsedObject {
  readonly object: JsonObject;
  /** From 1. */
  readonly line: number;
}

export interface ParseProblem {
  readonly line: number;
  readonly column?: number | undefined;
  readonly message: string;
}

export interface ParsedText {
  readonly objects: readonly ParsedObject[];
  readonly problems: readonly ParseProblem[];
}

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
    for (const problem of parsed.problems)
      problems.push({ ...problem, line: problem.line + before });
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
  const { documents, problems } = readYaml(text);
  const objects: ParsedObject[] = [];
  const all: ParseProblem[] = [...problems];
  for (const { value, line } of documents) {
    // An empty document (only comments) is nothing to complain about.
    if (value === null) continue;
    const found = checked(value, line);
    objects.push(...found.objects);
    all.push(...found.problems);
  }
  return { objects, problems: all };
}

function checked(value: Json, line: number): ParsedText {
  const excess = findExcess(value, MAX_YAML_DEPTH);
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

/** The objects of a `List` (also `PodList`, ...), or the object itself. */
function itemsOf(object: JsonObject): readonly JsonObject[] {
  const isList = stringAt(object, "kind").endsWith("List") && Array.isArray(object["items"]);
  return isList ? arrayAt(object, "items").filter(isObject) : [object];
}
