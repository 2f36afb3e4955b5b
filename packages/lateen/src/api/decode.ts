/**
 * Decodes JSON by a schema, field by field, into frozen objects of our own: nothing of the input is
 * kept by reference, objects with the user's keys have no prototype, depth and messages are bounded.
 * Takes time linear in the input.
 */
import { assert } from "../base/assert.ts";
import { parseDurationMs } from "./duration.ts";
import type { Json, JsonObject } from "./kind.ts";
import { pathOf, type Report, shorten } from "./report.ts";
import type { SchemaNode, TypeOf } from "./schema.ts";
import { nearest } from "./suggest.ts";

/** Of JSON that no schema describes; the schemas themselves are finite. */
export const MAX_DEPTH = 64;

/** What a warning calls a spec of which nothing is carried out. */
const WHOLE_OBJECT = "everything in this object";

/** For an object without a spec, where nothing of a spec would be carried out. */
export function absentSpec(node: SchemaNode | undefined, report: Report): void {
  if (node?.notYet === true)
    report.warning("spec", "NotCarriedOut", notYetText(WHOLE_OBJECT, node));
}

function notYetText(what: string, { notYetEffect }: SchemaNode): string {
  return `${what} is accepted but not carried out yet; ${notYetEffect}`;
}

/** The decoded value, or undefined when the report has an error about it. */
export function decode<S extends SchemaNode>(
  schema: S,
  json: Json,
  report: Report,
  path: readonly (string | number)[] = [],
): TypeOf<S> | undefined {
  return new Decoder(report, [...path]).value(schema, json) as TypeOf<S> | undefined;
}

class Decoder {
  readonly #report: Report;
  readonly #path: (string | number)[];
  /** Inside a field that is not carried out: one warning names it, none its parts. */
  #muted = false;
  /** Inside of what only new objects are refused for. */
  #lenient = false;

  constructor(report: Report, path: (string | number)[]) {
    this.#report = report;
    this.#path = path;
  }

  value(node: SchemaNode, json: Json): unknown {
    // Of a whole object, an empty one says something, too: often that nothing is let in.
    const counts = !isEmpty(json) || this.#isSpec();
    const known = !this.#muted && node.notYet === true && counts;
    if (node.newOnly === true && !this.#lenient) return this.#leniently(node, json);
    if (!known) return this.#ruled(node, json);
    this.#notCarriedOut(notYetText(this.#fieldName(), node));
    this.#muted = true;
    const value = this.#ruled(node, json);
    this.#muted = false;
    return value;
  }

  #leniently(node: SchemaNode, json: Json): unknown {
    this.#lenient = true;
    const value = this.value(node, json);
    this.#lenient = false;
    return value;
  }

  #ruled(node: SchemaNode, json: Json): unknown {
    const value = this.#typed(node, json);
    if (node.rules === undefined || value === undefined) return value;
    for (const rule of node.rules) {
      if (rule.holds?.(value) !== false) continue;
      const message = rule.found?.(value) ?? rule.message;
      if (rule.newOnly !== true) return this.#fail("InvalidValue", message);
      this.#newOnly("InvalidValue", message);
    }
    return value;
  }

  #typed(node: SchemaNode, json: Json): unknown {
    switch (node.type) {
      case "string":
        return this.#string(node, json);
      case "integer":
      case "number":
        return this.#number(node, json);
      case "boolean":
        return typeof json === "boolean" ? json : this.#wrongType(node, json, "true or false");
      case "duration":
        return this.#duration(node, json);
      case "intOrString":
        return this.#intOrString(node, json);
      case "list":
        return this.#list(node, json);
      case "map":
        return this.#map(node, json);
      case "object":
        return this.#object(node, json);
      case "any":
        return this.#any(json, 0);
    }
  }

  #string(node: SchemaNode, json: Json): string | undefined {
    const text = node.numberToo === true && typeof json === "number" ? String(json) : json;
    if (typeof text !== "string") return this.#wrongType(node, json, wantedString(node));
    const wrong = stringProblem(node, text);
    if (wrong !== undefined) return this.#invalid(node, text, wrong);
    const later = node.checkNew?.(text);
    if (later !== undefined) this.#newOnly("InvalidValue", foundAndWanted(node, text, later));
    if (!this.#muted && node.notYetValues?.some(value => sameWord(value, text)) === true)
      this.#notCarriedOut(`value ${text} is accepted but not carried out yet`);
    return text;
  }

  #number(node: SchemaNode, json: Json): number | undefined {
    const integer = node.type === "integer";
    const fits = integer ? Number.isSafeInteger(json) : Number.isFinite(json);
    if (!fits || typeof json !== "number")
      return this.#wrongType(node, json, integer ? "an integer" : "a number");
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = node;
    if (json < min || json > max) return this.#invalid(node, json, range(node));
    // -0 and 0 are one number in JSON, and rows are compared.
    return json === 0 ? 0 : json;
  }

  #duration(node: SchemaNode, json: Json): number | undefined {
    const wanted = 'a duration such as "5s", "1m30s" or "250ms"';
    if (typeof json !== "string") return this.#wrongType(node, json, wanted);
    const ms = parseDurationMs(json);
    if (ms === undefined) return this.#invalid(node, json, wanted);
    if (ms < (node.min ?? 0)) return this.#invalid(node, json, `at least ${node.min ?? 0}ms`);
    if (!Number.isInteger(ms)) return this.#invalid(node, json, "whole milliseconds");
    if (ms > (node.max ?? ms)) return this.#invalid(node, json, `at most ${node.max}ms`);
    return ms;
  }

  #intOrString(node: SchemaNode, json: Json): number | string | undefined {
    if (typeof json === "number" && Number.isSafeInteger(json)) return json;
    if (typeof json !== "string") return this.#wrongType(node, json, "an integer or a string");
    const wrong = node.check?.(json);
    return wrong === undefined ? json : this.#invalid(node, json, wrong);
  }

  #list(node: SchemaNode, json: Json): readonly unknown[] | undefined {
    if (!Array.isArray(json)) return this.#wrongType(node, json, "a list");
    if (json.length < (node.minItems ?? 0) || json.length > (node.maxItems ?? json.length))
      return this.#fail("OutOfRange", `found ${json.length} items, want ${countRange(node)}`);
    const items = inner(node);
    const out: unknown[] = [];
    for (let i = 0; i < json.length; i++) {
      this.#path.push(i);
      const value = this.value(items, json[i] ?? null);
      if (value !== undefined) out.push(value);
      this.#path.pop();
    }
    return Object.freeze(out);
  }

  #map(node: SchemaNode, json: Json): Readonly<Record<string, unknown>> | undefined {
    if (!isObject(json)) return this.#wrongType(node, json, "an object");
    const items = inner(node);
    const out: Record<string, unknown> = Object.create(null);
    const keys = Object.keys(json);
    if (keys.length > (node.maxProperties ?? keys.length))
      return this.#fail(
        "OutOfRange",
        `found ${keys.length} keys, want at most ${node.maxProperties}`,
      );
    for (const key of keys) {
      this.#path.push(key);
      const wrong = node.keyCheck?.(key);
      if (wrong !== undefined)
        this.#fail("InvalidKey", `key ${quote(key)} is not valid; want ${wrong}`);
      // `key:` without a value is null in YAML; Kubernetes takes it as the empty string.
      const raw = json[key] ?? (items.type === "string" ? "" : null);
      const value = this.value(items, raw);
      if (value !== undefined) out[key] = value;
      this.#path.pop();
    }
    return Object.freeze(out);
  }

  #object(node: SchemaNode, json: Json): Readonly<Record<string, unknown>> | undefined {
    if (!isObject(json)) return this.#wrongType(node, json, "an object");
    const { properties } = node;
    assert(properties !== undefined, "an object schema has properties");
    const out: Record<string, unknown> = {};
    let seen = 0;
    for (const [key, property] of properties) {
      const given = Object.hasOwn(json, key);
      if (given) seen += 1;
      else if (property.presence === "optional") continue;
      this.#path.push(key);
      const value = this.#property(property, given ? json[key] : undefined);
      if (value !== undefined) out[key] = value;
      this.#path.pop();
    }
    if (seen < Object.keys(json).length && node.open !== true) this.#unknown(properties, json);
    for (const group of node.exclusive ?? []) this.#exclusive(group, out);
    return Object.freeze(out);
  }

  #property(node: SchemaNode, json: Json | undefined): unknown {
    if (json !== undefined && json !== null) return this.value(node, json);
    switch (node.presence) {
      case "required":
        return this.#fail("Required", `is required; want ${wanted(node)}`);
      case "optional":
        return undefined;
      case "default":
        return this.value(node, node.default ?? null);
      case "empty":
        return node.type === "list" ? EMPTY_LIST : EMPTY_MAP;
    }
  }

  #any(json: Json, depth: number): Json | undefined {
    if (depth > MAX_DEPTH)
      return this.#fail("TooDeep", `nested more than ${MAX_DEPTH} levels deep`);
    if (Array.isArray(json))
      return Object.freeze(json.map((item: Json) => this.#any(item, depth + 1) ?? null));
    if (!isObject(json)) return json;
    const out: Record<string, Json> = Object.create(null);
    for (const [key, value] of Object.entries(json)) out[key] = this.#any(value, depth + 1) ?? null;
    return Object.freeze(out);
  }

  #unknown(properties: ReadonlyMap<string, SchemaNode>, json: JsonObject): void {
    for (const key of Object.keys(json)) {
      if (properties.has(key)) continue;
      const wanted = this.#report.takesUnknownFields;
      const meant = wanted ? nearest(key, properties.keys()) : undefined;
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
      const path = (): string => pathOf("", ...this.#path, key);
      this.#report.unknownField(path, wanted ? `unknown field ${quote(key)}${hint}` : "");
    }
  }

  #exclusive(group: readonly string[], out: Readonly<Record<string, unknown>>): void {
    const set = group.filter(key => out[key] !== undefined);
    if (set.length > 1)
      this.#fail("OneOf", `found ${set.join(" and ")}; at most one of them may be set`);
  }

  #wrongType(node: SchemaNode, json: Json, want: string): undefined {
    const found = node.sensitive === true ? typeName(json) : show(json);
    return this.#fail("WrongType", `found ${found}, want ${want}`);
  }

  #invalid(node: SchemaNode, json: string | number, want: string): undefined {
    return this.#fail("InvalidValue", foundAndWanted(node, json, want));
  }

  #fail(reason: string, message: string): undefined {
    if (this.#lenient) this.#newOnly(reason, message);
    else this.#report.error(() => this.#where(), reason, message);
    return undefined;
  }

  #newOnly(reason: string, message: string): void {
    this.#report.newOnly(() => this.#where(), reason, message);
  }

  #notCarriedOut(message: string): void {
    this.#report.warning(() => this.#where(), "NotCarriedOut", message);
  }

  #fieldName(): string {
    if (this.#isSpec()) return WHOLE_OBJECT;
    return String(this.#path.findLast(part => typeof part === "string") ?? "this field");
  }

  #isSpec(): boolean {
    return this.#path.length === 1 && this.#path[0] === "spec";
  }

  #where(): string {
    return pathOf("", ...this.#path);
  }
}

const EMPTY_LIST: readonly never[] = Object.freeze([]);
const EMPTY_MAP: Readonly<Record<string, never>> = Object.freeze(Object.create(null));

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** A value that asks for nothing: a field that is not carried out may have it without a warning. */
function isEmpty(json: Json): boolean {
  if (Array.isArray(json)) return json.length === 0;
  if (isObject(json)) return Object.keys(json).length === 0;
  return json === "" || json === false || json === 0 || json === null;
}

function inner(node: SchemaNode): SchemaNode {
  assert(node.items !== undefined, `a ${node.type} schema has items`);
  return node.items;
}

function stringProblem(node: SchemaNode, text: string): string | undefined {
  if (node.enum !== undefined && !node.enum.includes(text)) {
    const meant = nearest(text, node.enum);
    return `${wantedString(node)}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  }
  if (text.length < (node.minLength ?? 0)) return "a string that is not empty";
  if (text.length > (node.maxLength ?? text.length))
    return `at most ${node.maxLength} characters (found ${text.length})`;
  if (node.format === "byte" && !isBase64(text)) return "base64";
  if (node.format === "date-time" && text !== "" && Number.isNaN(Date.parse(text)))
    return "a time such as 2026-01-31T12:00:00Z";
  if (node.pattern !== undefined && !patternOf(node.pattern).test(text))
    return `a text that matches ${node.pattern}`;
  return node.check?.(text);
}

const patterns = new Map<string, RegExp>();

/** Compiled once: there are as many as schemas name. */
function patternOf(text: string): RegExp {
  const known = patterns.get(text) ?? new RegExp(text);
  patterns.set(text, known);
  return known;
}

function sameWord(a: string, b: string): boolean {
  return a.length === b.length && a.toUpperCase() === b.toUpperCase();
}

function foundAndWanted(node: SchemaNode, json: string | number, want: string): string {
  const found = node.sensitive === true ? typeName(json) : quote(json);
  return `found ${found}, want ${want}`;
}

function isBase64(text: string): boolean {
  // Go's decoder skips line breaks, which YAML block scalars bring along.
  const body = text.replaceAll(/[\r\n]/g, "");
  return body.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(body);
}

function wantedString(node: SchemaNode): string {
  return node.enum === undefined ? "a string" : `one of ${node.enum.join(", ")}`;
}

function wanted(node: SchemaNode): string {
  switch (node.type) {
    case "string":
      return wantedString(node);
    case "integer":
      return "an integer";
    case "number":
      return "a number";
    case "boolean":
      return "true or false";
    case "duration":
      return 'a duration such as "5s"';
    case "intOrString":
      return "an integer or a string";
    case "list":
      return "a list";
    case "map":
    case "object":
      return "an object";
    case "any":
      return "a value";
  }
}

function range(node: SchemaNode): string {
  if (node.max === undefined) return `at least ${node.min}`;
  return node.min === undefined ? `at most ${node.max}` : `${node.min} to ${node.max}`;
}

function countRange(node: SchemaNode): string {
  return range({ ...node, ...definedRange(node.minItems, node.maxItems) });
}

function definedRange(min: number | undefined, max: number | undefined): Partial<SchemaNode> {
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

/** What was found, for a message: the type, and the value where it is short. */
export function show(json: Json | undefined): string {
  if (json === undefined || json === null) return "nothing";
  return typeof json === "object" ? typeName(json) : `${typeName(json)} (${quote(json)})`;
}

function typeName(json: Json): string {
  if (Array.isArray(json)) return "a list";
  switch (typeof json) {
    case "string":
      return "a string";
    case "number":
      return Number.isInteger(json) ? "an integer" : "a number";
    case "boolean":
      return "a boolean";
    default:
      return json === null ? "nothing" : "an object";
  }
}

function quote(value: Json): string {
  return typeof value === "string" ? JSON.stringify(shorten(value)) : String(value);
}
