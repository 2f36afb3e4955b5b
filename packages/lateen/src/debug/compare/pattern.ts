/** Patterns of JSON in intended differences. */
import { isList, isObject, type Json, type JsonObject } from "./json.ts";

/**
 * JSON that must be just so, except for objects of these forms: `{$any: true}` is any value,
 * `{$match: "regular expression"}` a text of that form, `{$fact: "namespace"}` what the proxy said
 * of itself, `{$absent: true}` no value; and an object with `$more: true` may have further fields.
 */
export type Pattern = Json;

/** What a proxy says of itself, by names of ours: namespace, canonicalService, ... */
export type Facts = Readonly<Record<string, string>>;

export function matches(pattern: Pattern, value: Json | undefined, facts: Facts): boolean {
  if (value === undefined) return isObject(pattern) && pattern["$absent"] === true;
  if (isList(pattern))
    return (
      isList(value) &&
      value.length === pattern.length &&
      pattern.every((each, index) => matches(each, value[index], facts))
    );
  if (!isObject(pattern)) return pattern === value;
  if (pattern["$any"] === true) return true;
  if (pattern["$absent"] === true) return false;
  const regularExpression = pattern["$match"];
  if (typeof regularExpression === "string")
    return typeof value === "string" && new RegExp(`^(?:${regularExpression})$`).test(value);
  const fact = pattern["$fact"];
  if (typeof fact === "string") return facts[fact] === value;
  return isObject(value) && matchesFields(pattern, value, facts);
}

function matchesFields(pattern: JsonObject, value: JsonObject, facts: Facts): boolean {
  const keys = Object.keys(pattern).filter(key => key !== "$more");
  const known = (key: string): boolean => Object.hasOwn(pattern, key);
  if (pattern["$more"] !== true && !Object.keys(value).every(known)) return false;
  return keys.every(key =>
    matches(pattern[key] ?? null, Object.hasOwn(value, key) ? value[key] : undefined, facts),
  );
}
