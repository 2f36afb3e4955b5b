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

/** Documents with errors are left out and named; the others are taken. */
export function parseText(text: string, json: boolean): ParsedText {
  const objects: ParsedObject[] = [];
  const problems: ParseProblem[] = [];
  const take = (value: Json, line: number): void => {
    const excess = findExcess(value, MAX_DEPTH);
    if (excess !== undefined) problems.push({ line, message: `the document has ${excess}` });
    else if (!isObject(value)) problems.push({ line, message: NOT_AN_OBJECT });
    else for (const object of itemsOf(value)) objects.push({ object, line });
  };
  if (json) {
    const whole = parseJson(text);
    if (whole !== undefined) {
      take(whole, 1);
      return { objects, problems };
    }
  }
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
    else if (value.json !== null) take(value.json, line);
  }
  return { objects, problems };
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
