/**
 * How a change of a stored object is judged: not by what was wrong with it before and stays as it is.
 * Kubernetes does the same with the schemas of CRDs (KEP-4008, validation ratcheting).
 */
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { partsOf } from "../../api/report.ts";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { canonicalText, isArray, isObject, jsonEqual } from "../json.ts";

/** Both in the form that is stored. */
export interface Update {
  readonly kind: Kind;
  readonly before: JsonObject;
  readonly after: JsonObject;
}

export interface Judged {
  /** What the change is refused for. */
  readonly refused: readonly Diagnostic[];
  /** What is wrong, too, and was before. */
  readonly kept: readonly Diagnostic[];
}

/** `found` is what is wrong with the object as it is to be: errors, and what only new objects may not. */
export function judgeUpdate(found: readonly Diagnostic[], update: Update): Judged {
  const wasThere = earlierFindings(update);
  const refused: Diagnostic[] = [];
  const kept: Diagnostic[] = [];
  for (const each of found) {
    const same =
      each.newOnly === true
        ? wasThere(each) || isUntouched(each, update)
        : isUntouched(each, update);
    (same ? kept : refused).push(each);
  }
  return { refused, kept };
}

/**
 * Whether the object had this before, anywhere in the same list: items have no names, and may move. Each
 * one that was there stands for one that is.
 */
function earlierFindings({ kind, before, after }: Update): (found: Diagnostic) => boolean {
  let counts: Map<string, number> | undefined;
  return found => {
    counts ??= countOf(
      kind
        .decode(before)
        .diagnostics.filter(({ newOnly }) => newOnly === true)
        .map(each => identityOf(each, before)),
    );
    const id = identityOf(found, after);
    const left = counts.get(id) ?? 0;
    counts.set(id, left - 1);
    return left > 0;
  };
}

function countOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/** The rule, and the value that breaks it. */
function identityOf({ path, message }: Diagnostic, object: JsonObject): string {
  const place = path.replaceAll(/\[\d+\]/g, "[]");
  return JSON.stringify([place, message, canonicalText(valueAt(object, partsOf(path)))]);
}

/** What is at a path, or at the part of it that is there. */
function valueAt(object: JsonObject, parts: readonly (string | number)[]): Json {
  let value: Json = object;
  for (const part of parts) {
    const inner: Json | undefined =
      isArray(value) && typeof part === "number"
        ? value[part]
        : isObject(value) && Object.hasOwn(value, part)
          ? value[part]
          : undefined;
    if (inner === undefined) return value;
    value = inner;
  }
  return value;
}

/**
 * An object with errors is not read, so that no change of what it wants would take effect: only
 * what leaves that alone (labels, finalizers, a status) is let pass.
 */
function isUntouched({ path }: Diagnostic, { before, after }: Update): boolean {
  const [field, inner] = partsOf(path);
  if (field === undefined) return jsonEqual(wantedOf(before), wantedOf(after));
  const parts = field === "metadata" && inner !== undefined ? [field, inner] : [field];
  return jsonEqual(fieldAt(before, parts), fieldAt(after, parts));
}

function fieldAt(object: JsonObject, parts: readonly (string | number)[]): Json | undefined {
  let value: Json | undefined = object;
  for (const part of parts)
    value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  return value;
}

function wantedOf(object: JsonObject): JsonObject {
  const { metadata: _metadata, status: _status, ...rest } = object;
  return rest;
}
