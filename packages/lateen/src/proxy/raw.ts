import type { Json, JsonObject } from "../api/kind.ts";

/** The object, or an empty one where there is something else. */
export function objectOf(json: Json | undefined): JsonObject {
  return typeof json === "object" && json !== null && !isList(json) ? json : {};
}

/** The list, or an empty one where there is something else. */
export function listOf(json: Json | undefined): readonly Json[] {
  return isList(json) ? json : [];
}

function isList(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}
