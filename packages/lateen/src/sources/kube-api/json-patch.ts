/** JSON merge patch (RFC 7386) and JSON patch (RFC 6902). */
import type { Json, JsonObject } from "../../api/kind.ts";
import { isArray, isObject, jsonEqual } from "../json.ts";
import { type ApiResult, badRequest, failed, succeeded } from "../status.ts";

const MAX_OPERATIONS = 10_000;

export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

export function jsonPatch(document: JsonObject, patch: Json): ApiResult<JsonObject> {
  if (!isArray(patch)) return badRequest("a JSON patch must be a list of operations");
  if (patch.length > MAX_OPERATIONS)
    return badRequest(`a JSON patch may have at most ${MAX_OPERATIONS} operations`);
  let result: Json = document;
  for (const [i, operation] of patch.entries()) {
    if (!isObject(operation)) return badRequest(`JSON patch operation ${i} must be an object`);
    const next = apply(result, operation);
    if (typeof next === "string") {
      const where = `JSON patch operation ${i} (${describe(operation)})`;
      return failed(422, "Invalid", `the patch can not be applied: ${where}: ${next}`);
    }
    result = next.value;
  }
  return isObject(result) ? succeeded(result) : badRequest("the patch left no object");
}

function describe(operation: JsonObject): string {
  return `${String(operation["op"])} ${String(operation["path"])}`;
}

/** The new document, or what is wrong. */
type Step = { readonly value: Json } | string;

function apply(document: Json, operation: JsonObject): Step {
  const path = pointer(operation["path"]);
  if (path === undefined) return 'path must be a JSON pointer such as "/spec/replicas"';
  const value = operation["value"];
  switch (operation["op"]) {
    case "add":
      return value === undefined ? "value is missing" : add(document, path, value);
    case "replace": {
      if (value === undefined) return "value is missing";
      const removed = path.length === 0 ? { value: document } : remove(document, path);
      return typeof removed === "string" ? removed : add(removed.value, path, value);
    }
    case "remove":
      return remove(document, path);
    case "test":
      return jsonEqual(read(document, path), value) ? { value: document } : "the value differs";
    case "move":
    case "copy": {
      const from = pointer(operation.from);
      if (from === undefined) return "from must be a JSON pointer";
      const moved = read(document, from);
      if (moved === undefined) return "there is nothing at its source";
      const left = operation["op"] === "move" ? remove(document, from) : { value: document };
      return typeof left === "string" ? left : add(left.value, path, moved);
    }
    default:
      return "op must be add, remove, replace, move, copy or test";
  }
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
  }
  return value;
}

function add(document: Json, path: readonly string[], value: Json): Step {
  const [head, ...rest] = path;
  if (head === undefined) return { value };
  if (isArray(document)) {
    const index = head === "-" && rest.length === 0 ? document.length : indexIn(document, head);
    if (index === undefined) return `there is no index ${head}`;
    if (rest.length === 0) return { value: document.toSpliced(index, 0, value) };
    return within(document[index], rest, value, inner => document.with(index, inner));
  }
  if (!isObject(document)) return `${head} is not inside an object or a list`;
  if (head === "__proto__") return "this name is not allowed";
  if (rest.length === 0) return { value: { ...document, [head]: value } };
  return within(document[head], rest, value, inner => ({ ...document, [head]: inner }));
}

function within(
  child: Json | undefined,
  rest: readonly string[],
  value: Json,
  put: (inner: Json) => Json,
): Step {
  if (child === undefined) return "the path leads through something that does not exist";
  const inner = add(child, rest, value);
  return typeof inner === "string" ? inner : { value: put(inner.value) };
}

/** An index to insert at: up to the length. */
function indexIn(list: readonly Json[], text: string): number | undefined {
  const index = Number(text);
  return /^\d+$/.test(text) && index <= list.length ? index : undefined;
}

function remove(document: Json, path: readonly string[]): Step {
  const [head, ...rest] = path;
  if (head === undefined) return "the whole object can not be removed";
  if (isArray(document)) {
    const index = indexIn(document, head);
    const child = index === undefined ? undefined : document[index];
    if (index === undefined || child === undefined) return `there is no index ${head}`;
    if (rest.length === 0) return { value: document.toSpliced(index, 1) };
    const inner = remove(child, rest);
    return typeof inner === "string" ? inner : { value: document.with(index, inner.value) };
  }
  const child = isObject(document) && Object.hasOwn(document, head) ? document[head] : undefined;
  if (!isObject(document) || child === undefined) return `there is no ${head}`;
  if (rest.length === 0) {
    const { [head]: _removed, ...kept } = document;
    return { value: kept };
  }
  const inner = remove(child, rest);
  return typeof inner === "string" ? inner : { value: { ...document, [head]: inner.value } };
}
