/** What the values of the charts have in common. Pure. */
import type { Json, JsonObject } from "../api/kind.ts";
import {
  arrayAt,
  isArray,
  isObject,
  jsonEqual,
  objectAt,
  stringAt,
  valueAt,
} from "../sources/json.ts";
import { mergeObjects } from "./path.ts";

export function mergedAt(key: string, values: JsonObject, k8s: JsonObject): JsonObject {
  return mergeObjects(objectAt(values, key), objectAt(k8s, key));
}

/** The entries that say something. */
export function some(entries: Readonly<Record<string, Json | undefined>>): JsonObject {
  const said: Record<string, Json> = {};
  for (const [key, value] of Object.entries(entries)) {
    const isEmpty = isObject(value) && Object.keys(value).length === 0;
    if (value !== undefined && value !== "" && !isEmpty) said[key] = value;
  }
  return said;
}

/** Variables with a text are a map in charts; `sources`: those that come from somewhere else. */
export function variablesOf(
  values: JsonObject,
  k8s: JsonObject,
  path: string,
): { readonly env: JsonObject; readonly sources: readonly Json[]; untranslated: string[] } {
  const all: Record<string, Json> = { ...objectAt(values, "env") };
  const sources: Json[] = [];
  const untranslated: string[] = [];
  for (const each of arrayAt(k8s, "env").filter(isObject)) {
    const name = stringAt(each, "name");
    if (each["valueFrom"] === undefined) all[name] = stringAt(each, "value");
    else {
      sources.push(each);
      untranslated.push(`${path}.k8s.env[name:${name}]: its value comes from elsewhere`);
    }
  }
  return { env: all, sources, untranslated };
}

/** Of an autoscaler's metrics: average utilization of CPU and memory, and what else there is. */
export function utilizations(metrics: Json | undefined): {
  readonly cpu: Json | undefined;
  readonly memory: Json | undefined;
  readonly rest: readonly Json[];
} {
  const found: Record<string, Json> = {};
  const rest: Json[] = [];
  for (const metric of isArray(metrics) ? metrics : []) {
    const name = valueAt(isObject(metric) ? metric : {}, "resource.name");
    const percent = valueAt(isObject(metric) ? metric : {}, "resource.target.averageUtilization");
    if ((name === "cpu" || name === "memory") && percent !== undefined) found[name] = percent;
    else rest.push(metric);
  }
  return { cpu: found["cpu"], memory: found["memory"], rest };
}

/** A line for each key that is none of those `done`. */
export function leftOver(
  settings: JsonObject,
  done: readonly string[],
  component: string,
  chart: string,
  at = "k8s",
): string[] {
  return Object.keys(settings)
    .filter(key => !done.includes(key))
    .map(key => `components.${component}.${at}.${key}: chart ${chart} has no value for it`);
}

/** What, laid over the one, gives the other; null takes a key away. */
export function changes(from: JsonObject, to: JsonObject): JsonObject {
  const result: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const [before, after] = [from[key], to[key]];
    if (after === undefined || after === null) {
      if (before !== undefined && before !== null) result[key] = null;
    } else if (isObject(before) && isObject(after)) {
      const inside = changes(before, after);
      if (Object.keys(inside).length > 0) result[key] = inside;
    } else if (!jsonEqual(before, after)) result[key] = after;
  }
  return result;
}
