/** Kubernetes objects in YAML and JSON text, with the line that each begins on. */
import type { Json, JsonObject } from "../../api/kind.ts";
import { arrayAt, findExcess, isObject, stringAt } from "../json.ts";
import { readYaml } from "../yaml-documents.ts";
import { MAX_YAML_DEPTH } from "../yaml-limits.ts";
import { partsOf, type TextPart } from "./split.ts";

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
  /** What is read, and is hardly meant. */
  readonly warnings: readonly ParseProblem[];
}

/** Documents of a file by their text: those that stay as they are need not be parsed again. */
export type DocumentCache = ReadonlyMap<string, ParsedText>;

/**
 * Documents with errors are left out and named; the others are taken. `known` comes from the
 * version before and `seen` is filled for the next one.
 */
export function parseText(
  text: string,
  known: DocumentCache = new Map(),
  seen: Map<string, ParsedText> = new Map(),
): ParsedText {
  const objects: ParsedObject[] = [];
  const problems: ParseProblem[] = [];
  const warnings: ParseProblem[] = [];
  for (const part of partsOf(text)) {
    const parsed = known.get(part.text) ?? seen.get(part.text) ?? parsePart(part);
    seen.set(part.text, parsed);
    const { before } = part;
    for (const { object, line } of parsed.objects) objects.push({ object, line: line + before });
    for (const each of parsed.problems) problems.push({ ...each, line: each.line + before });
    for (const each of parsed.warnings) warnings.push({ ...each, line: each.line + before });
  }
  return { objects, problems, warnings };
}

function parsePart({ text, json }: TextPart): ParsedText {
  const value = json ? parseJson(text) : undefined;
  return value === undefined ? parseYaml(text) : checked(value, 1);
}

function parseYaml(text: string): ParsedText {
  const { documents, problems, warnings } = readYaml(text);
  const objects: ParsedObject[] = [];
  const all: ParseProblem[] = [...problems];
  for (const { value, line } of documents) {
    // An empty document (only comments) is nothing to complain about.
    if (value === null) continue;
    const found = checked(value, line);
    objects.push(...found.objects);
    all.push(...found.problems);
  }
  return { objects, problems: all, warnings };
}

function checked(value: Json, line: number): ParsedText {
  const excess = findExcess(value, MAX_YAML_DEPTH);
  const message = excess === undefined ? undefined : `the document has ${excess}`;
  if (message !== undefined || !isObject(value))
    return { objects: [], problems: [{ line, message: message ?? NOT_AN_OBJECT }], warnings: [] };
  const objects = itemsOf(value).map(object => ({ object, line }));
  return { objects, problems: [], warnings: [] };
}

const NOT_AN_OBJECT =
  "the document is not an object (apiVersion, kind, metadata, ...): is a `---` missing or too much?";

/** JSON is mostly generated and large; only a broken one needs the parser with positions. */
function parseJson(text: string): Json | undefined {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

/**
 * The objects of a `List` (also `PodList`, ..., and lists in lists), or the object itself. Items that say
 * no kind, as an API server lists them, are of the list's.
 */
function itemsOf(object: JsonObject): readonly JsonObject[] {
  const kind = stringAt(object, "kind");
  const isEmpty = kind === "List" && (object["items"] ?? null) === null;
  if (!kind.endsWith("List") || !(isEmpty || Array.isArray(object["items"]))) return [object];
  const apiVersion = object["apiVersion"] ?? "";
  const typed = kind === "List" ? {} : { apiVersion, kind: kind.slice(0, -"List".length) };
  return arrayAt(object, "items")
    .filter(isObject)
    .flatMap(item => itemsOf(stringAt(item, "kind") === "" ? { ...typed, ...item } : item));
}
