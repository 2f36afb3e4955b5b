/** The difference of two JSON values as a JSON patch (RFC 6902). */
import type { Json, JsonObject } from "../api/kind.ts";
import { isArray, isObject, jsonEqual } from "../sources/json.ts";

export type PatchOperation =
  | { readonly op: "add" | "replace"; readonly path: string; readonly value: Json }
  | { readonly op: "remove"; readonly path: string };

/**
 * Operations that make `after` of `before`, in the order of `after`'s keys. Lists that only grew at
 * one place get single additions; other lists are replaced as a whole.
 */
export function diffJson(before: JsonObject, after: JsonObject): PatchOperation[] {
  return diffObject(before, after, "");
}

function diffObject(before: JsonObject, after: JsonObject, path: string): PatchOperation[] {
  const operations: PatchOperation[] = [];
  for (const key of Object.keys(before))
    if (!Object.hasOwn(after, key)) operations.push({ op: "remove", path: child(path, key) });
  for (const [key, value] of Object.entries(after)) {
    const place = child(path, key);
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (old === undefined) operations.push({ op: "add", path: place, value });
    else operations.push(...diffValue(old, value, place));
  }
  return operations;
}

function diffValue(before: Json, after: Json, path: string): PatchOperation[] {
  if (jsonEqual(before, after)) return [];
  if (isObject(before) && isObject(after)) return diffObject(before, after, path);
  if (isArray(before) && isArray(after)) return diffList(before, after, path);
  return [{ op: "replace", path, value: after }];
}

function diffList(before: readonly Json[], after: readonly Json[], path: string): PatchOperation[] {
  const grown = after.length - before.length;
  if (grown < 0) return [{ op: "replace", path, value: after }];
  // Where the new items are: after them each item has its old one (or a changed form of it).
  const at = before.findIndex((item, i) => !sameItem(item, after[i]));
  const start = at < 0 ? before.length : at;
  const moved = before.slice(start).every((item, i) => sameItem(item, after[start + grown + i]));
  if (!moved) return [{ op: "replace", path, value: after }];
  const inserted = after
    .slice(start, start + grown)
    .map(
      (value, i): PatchOperation => ({ op: "add", path: child(path, String(start + i)), value }),
    );
  const changed = before.flatMap((item, i) => {
    const index = i < start ? i : i + grown;
    return diffValue(item, after[index] ?? null, child(path, String(index)));
  });
  return [...inserted, ...changed];
}

/** Items of Kubernetes' lists are known by their names. */
function sameItem(before: Json, after: Json | undefined): boolean {
  if (isObject(before) && isObject(after) && before["name"] !== undefined)
    return before["name"] === after["name"];
  return jsonEqual(before, after);
}

function child(path: string, key: string): string {
  return `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
