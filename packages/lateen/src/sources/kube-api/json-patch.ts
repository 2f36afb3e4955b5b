/** JSON merge patch (RFC 7386) and JSON patch (RFC 6902). */

import type { Json, JsonObject } from "../../api/kind.ts";
import { own } from "../../base/own.ts";
import { isArray, isObject, jsonEqual } from "../json.ts";
import { type ApiResult, badRequest, failed, succeeded, tooLarge } from "../status.ts";
import { MAX_YAML_DEPTH } from "../yaml-limits.ts";
import { MAX_OPERATIONS, PatchBudget, sizeOf, widthOf } from "./patch-budget.ts";

export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(own(result, key), value);
  }
  return result;
}

/**
 * Operations change one copy of the document in place. What they copy, compare and move is counted, as
 * copies of copies double: a patch of 20 operations could stand for millions of values.
 */
export function jsonPatch(
  document: JsonObject,
  patch: Json,
  budget = new PatchBudget(),
): ApiResult<JsonObject> {
  if (!isArray(patch)) return badRequest("a JSON patch must be a list of operations");
  if (patch.length > MAX_OPERATIONS)
    return badRequest(`a JSON patch may have at most ${MAX_OPERATIONS} operations`);
  const root: Root = { value: cloned(document) };
  for (const [i, operation] of patch.entries()) {
    if (!isObject(operation)) return badRequest(`JSON patch operation ${i} must be an object`);
    const problem = apply(root, operation, budget);
    const where = `JSON patch operation ${i} (${describe(operation)})`;
    if (budget.exceeded !== undefined)
      return tooLarge(`the patch can not be applied: ${where}: ${budget.exceeded}`);
    if (problem !== undefined)
      return failed(422, "Invalid", `the patch can not be applied: ${where}: ${problem}`);
  }
  return isObject(root.value) ? succeeded(root.value) : badRequest("the patch left no object");
}

const SHOWN_PATH = 200;

function describe(operation: JsonObject): string {
  return `${String(operation["op"])} ${String(operation["path"])}`.slice(0, SHOWN_PATH);
}

interface Root {
  value: Json;
}

/** What is wrong with the operation; undefined: it is done. */
function apply(root: Root, operation: JsonObject, budget: PatchBudget): string | undefined {
  const path = pointer(operation["path"]);
  if (path === undefined) return 'path must be a JSON pointer such as "/spec/replicas"';
  if (path.length > MAX_YAML_DEPTH) return `path is longer than ${MAX_YAML_DEPTH} parts`;
  const value = operation["value"];
  switch (operation["op"]) {
    case "add":
      if (value === undefined) return "value is missing";
      return add(root, path, cloned(value), budget);
    case "replace":
      if (value === undefined) return "value is missing";
      return remove(root, path, budget, true) ?? add(root, path, cloned(value), budget);
    case "remove":
      return remove(root, path, budget, false);
    case "test":
      return test(read(root.value, path), value, budget);
    case "move":
    case "copy":
      return relocate(root, operation, path, budget);
    default:
      return "op must be add, remove, replace, move, copy or test";
  }
}

function test(found: Json | undefined, wanted: Json | undefined, budget: PatchBudget) {
  budget.spend(widthOf(found) + (wanted === undefined ? 0 : sizeOf(wanted).values));
  if (budget.exceeded !== undefined) return undefined;
  return jsonEqual(found, wanted) ? undefined : "the value differs";
}

function relocate(
  root: Root,
  operation: JsonObject,
  path: readonly string[],
  budget: PatchBudget,
): string | undefined {
  const from = pointer(operation.from);
  if (from === undefined) return "from must be a JSON pointer";
  const found = read(root.value, from);
  if (found === undefined) return "there is nothing at its source";
  const size = sizeOf(found);
  if (path.length + size.depth > MAX_YAML_DEPTH)
    return `the result is nested deeper than ${MAX_YAML_DEPTH} levels`;
  if (operation["op"] === "move") {
    if (from.length < path.length && from.every((part, i) => part === path[i]))
      return "a value can not be moved into itself";
    return remove(root, from, budget, false) ?? add(root, path, found, budget);
  }
  budget.copy(size);
  return budget.exceeded === undefined ? add(root, path, cloned(found), budget) : undefined;
}

function pointer(text: Json | undefined): string[] | undefined {
  if (typeof text !== "string") return undefined;
  if (text === "") return [];
  if (!text.startsWith("/")) return undefined;
  const parts = text.slice(1).split("/");
  return parts.map(part => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function read(document: Json, path: readonly string[]): Json | undefined {
  let value: Json | undefined = document;
  for (const part of path) {
    if (isArray(value)) value = /^\d+$/.test(part) ? value[Number(part)] : undefined;
    else value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
    if (value === undefined) return undefined;
  }
  return value;
}

/** The copy that is worked on may be changed. */
type Own = Record<string, Json>;

function add(
  root: Root,
  path: readonly string[],
  value: Json,
  budget: PatchBudget,
): string | undefined {
  const head = path.at(-1);
  if (head === undefined) {
    root.value = value;
    return undefined;
  }
  const parent = read(root.value, path.slice(0, -1));
  if (parent === undefined) return "the path leads through something that does not exist";
  if (isArray(parent)) {
    const index = head === "-" ? parent.length : indexIn(parent, head);
    if (index === undefined) return `there is no index ${head}`;
    budget.spend(parent.length - index);
    (parent as Json[]).splice(index, 0, value);
    return undefined;
  }
  if (!isObject(parent)) return `${head} is not inside an object or a list`;
  if (head === "__proto__") return "this name is not allowed";
  (parent as Own)[head] = value;
  return undefined;
}

/** An index to insert at: up to the length. */
function indexIn(list: readonly Json[], text: string): number | undefined {
  const index = Number(text);
  return /^\d+$/.test(text) && index <= list.length ? index : undefined;
}

/** `replacing`: something else is put there next, also for the whole document. */
function remove(
  root: Root,
  path: readonly string[],
  budget: PatchBudget,
  replacing: boolean,
): string | undefined {
  const head = path.at(-1);
  if (head === undefined) return replacing ? undefined : "the whole object can not be removed";
  const parent = read(root.value, path.slice(0, -1));
  if (isArray(parent)) {
    const index = indexIn(parent, head);
    if (index === undefined || index === parent.length) return `there is no index ${head}`;
    budget.spend(parent.length - index);
    (parent as Json[]).splice(index, 1);
    return undefined;
  }
  if (!isObject(parent) || !Object.hasOwn(parent, head)) return `there is no ${head}`;
  delete (parent as Own)[head];
  return undefined;
}

function cloned(value: Json): Json {
  if (isArray(value)) return value.map(cloned);
  if (!isObject(value)) return value;
  const copy: Own = {};
  for (const [key, child] of Object.entries(value)) copy[key] = cloned(child);
  return copy;
}
