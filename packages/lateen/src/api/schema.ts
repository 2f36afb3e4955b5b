/**
 * Schemas as data. One schema of a kind gives its TypeScript type (`TypeOf`), its decoder
 * (decode.ts), its stored defaults (defaults.ts) and its OpenAPI v3 form (openapi.ts).
 */
import type { Json } from "./kind.ts";

declare const decodedAs: unique symbol;

/**
 * What a field that is absent (or null, which Kubernetes takes as absent) decodes to: an error
 * (`required`), no property (`optional`), the schema's default (`default`, also stored) or an empty
 * list or map (`empty`, never stored).
 */
export type Presence = "required" | "optional" | "default" | "empty";

export type SchemaType =
  | "string"
  | "integer"
  | "number"
  | "boolean"
  | "duration"
  | "intOrString"
  | "list"
  | "map"
  | "object"
  | "any";

/** Undefined when the value is fine, otherwise what would be right ("a lower-case DNS label"). */
export type StringCheck = (value: string) => string | undefined;

/**
 * What a CRD says beyond types, for clusters where only the API server looks at an object: a CEL rule
 * (`x-kubernetes-validations`). `holds` is the same for our own decoder; absent where a check or a
 * kind's validation says it already.
 */
export interface SchemaRule {
  readonly rule: string;
  /** Our own words. */
  readonly message: string;
  holds?(value: unknown): boolean;
  /** What was found in a value that breaks it, and what would be right; without it the message. */
  found?(value: unknown): string;
  /** Objects that break it may be stored: only new ones are refused. */
  readonly newOnly?: true;
}

export interface Options {
  /** Shown by `kubectl explain`. Our own words. */
  readonly description?: string;
  readonly rules?: readonly SchemaRule[];
}

export interface StringOptions extends Options {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly check?: StringCheck;
  /** A check that values which are stored may fail: only new objects are refused for it. */
  readonly checkNew?: StringCheck;
  readonly format?: "byte" | "date-time";
  /** A regular expression that RE2 and JavaScript read alike. */
  readonly pattern?: string;
  /** Kubernetes writes some strings (quantities, resource versions) as numbers, too. */
  readonly numberToo?: boolean;
  /** Values (in any case) that are valid, but that the data plane does not carry out yet. */
  readonly notYetValues?: readonly string[];
  /** The value never appears in a message. */
  readonly sensitive?: boolean;
}

export interface NumberOptions extends Options {
  readonly min?: number;
  readonly max?: number;
  /** proto's wrappers may be null in a CRD. */
  readonly nullable?: boolean;
}

export interface ListOptions extends Options {
  readonly minItems?: number;
  readonly maxItems?: number;
  /** Strategic merge patch: items with equal values of this field are merged. */
  readonly patchMergeKey?: string;
  /** Strategic merge patch of a list of scalars: merged as a set. */
  readonly patchMerge?: boolean;
  /** Server-side apply: the fields that identify an item. */
  readonly mapKeys?: readonly string[];
}

export interface MapOptions extends Options {
  readonly maxProperties?: number;
  readonly keyCheck?: StringCheck;
}

export interface ObjectOptions extends Options {
  /** Groups of fields of which at most one may be set (proto's oneof). */
  readonly exclusive?: readonly (readonly string[])[];
  /** Unknown fields are kept out of the decoded value without a warning (a status of others). */
  readonly open?: boolean;
  readonly patchStrategy?: "retainKeys";
}

export interface SchemaNode
  extends Omit<StringOptions, "description">,
    Omit<NumberOptions, "description">,
    Omit<ListOptions, "description">,
    Omit<MapOptions, "description">,
    ObjectOptions {
  readonly type: SchemaType;
  readonly presence: Presence;
  readonly default?: Json;
  /** The default is for the decoded value only: the API server does not store it. */
  readonly decodedOnly?: boolean;
  readonly enum?: readonly string[];
  /** Known, but not carried out by the data plane yet: a value here gives a warning. */
  readonly notYet?: boolean;
  /** What that means for whoever sets it. */
  readonly notYetEffect?: string;
  /** A value that does not fit is left out of objects that are stored; new ones are refused for it. */
  readonly newOnly?: true;
  /** Of a list its items, of a map its values. */
  readonly items?: SchemaNode;
  readonly properties?: ReadonlyMap<string, SchemaNode>;
}

/** A schema whose decoded value is a `T`. */
export interface Schema<T, P extends Presence = Presence> extends SchemaNode {
  readonly presence: P;
  /** Exists for the type checker only. */
  readonly [decodedAs]: T;
}

export type Shape = Readonly<Record<string, Schema<unknown>>>;
export type TypeOf<S> = S extends { readonly [decodedAs]: infer T } ? T : never;

type OptionalKeys<S extends Shape> = {
  [K in keyof S]: S[K]["presence"] extends "optional" ? K : never;
}[keyof S];
type Flat<T> = { [K in keyof T]: T[K] };
export type ObjectOf<S extends Shape> = Flat<
  { readonly [K in Exclude<keyof S, OptionalKeys<S>>]: TypeOf<S[K]> } & {
    readonly [K in OptionalKeys<S>]?: TypeOf<S[K]>;
  }
>;

/** Whole milliseconds, from a Go duration such as `1h30m`, `5s` or `250ms`. */
export type DurationMs = number;

export function string(options: StringOptions = {}): Schema<string, "optional"> {
  return make({ type: "string", presence: "optional", ...options });
}

export function enumOf<const V extends readonly string[]>(
  values: V,
  options: Options & { readonly notYetValues?: readonly V[number][] } = {},
): Schema<V[number], "optional"> {
  return make({ type: "string", presence: "optional", enum: values, ...options });
}

export function integer(options: NumberOptions = {}): Schema<number, "optional"> {
  return make({ type: "integer", presence: "optional", ...options });
}

export function number(options: NumberOptions = {}): Schema<number, "optional"> {
  return make({ type: "number", presence: "optional", ...options });
}

export function boolean(
  options: Options & { readonly nullable?: boolean } = {},
): Schema<boolean, "optional"> {
  return make({ type: "boolean", presence: "optional", ...options });
}

/** `min` in milliseconds; Istio wants at least 1 ms nearly everywhere, so that is the default. */
export function duration(options: NumberOptions = {}): Schema<DurationMs, "optional"> {
  return make({ type: "duration", presence: "optional", min: 1, ...options });
}

export function intOrString(
  options: Options & { readonly check?: StringCheck } = {},
): Schema<number | string, "optional"> {
  return make({ type: "intOrString", presence: "optional", ...options });
}

/** Absent: an empty list. Use `optional` where absent means something else. */
export function list<T>(
  items: Schema<T>,
  options: ListOptions = {},
): Schema<readonly T[], "empty"> {
  return make({ type: "list", presence: "empty", items, ...options });
}

/** Keys are the user's: decodes to an object without prototype. Absent: an empty one. */
export function map<T>(
  items: Schema<T>,
  options: MapOptions = {},
): Schema<Readonly<Record<string, T>>, "empty"> {
  return make({ type: "map", presence: "empty", items, ...options });
}

export function object<const S extends Shape>(
  properties: S,
  options: ObjectOptions = {},
): Schema<ObjectOf<S>, "optional"> {
  const entries: [string, SchemaNode][] = Object.entries(properties);
  return make({ type: "object", presence: "optional", properties: new Map(entries), ...options });
}

/** Any JSON, bounded in depth, kept as it is. */
export function any(options: Options = {}): Schema<Json, "optional"> {
  return make({ type: "any", presence: "optional", ...options });
}

export function required<T>(schema: Schema<T>): Schema<T, "required"> {
  return make({ ...schema, presence: "required" });
}

export function optional<T>(schema: Schema<T>): Schema<T, "optional"> {
  return make({ ...schema, presence: "optional" });
}

/** The default is what the API server stores, so it is JSON and decoded like any other value. */
export function withDefault<T>(schema: Schema<T>, value: Json): Schema<T, "default"> {
  return make({ ...schema, presence: "default", default: value });
}

/** Decodes to `value` when absent; nothing is stored. */
export function orElse<T>(schema: Schema<T>, value: Json): Schema<T, "default"> {
  return make({ ...schema, presence: "default", default: value, decodedOnly: true });
}

/** Marks a field that is accepted and kept, but that the data plane does not carry out yet. */
export function notYet<T, P extends Presence>(
  schema: Schema<T, P>,
  notYetEffect = "it has no effect",
): Schema<T, P> {
  return make({ ...schema, notYet: true, notYetEffect });
}

/**
 * For a field of an object that an earlier version did not look at, so that anything may be stored in it.
 * Not for items of a list: those behind what is left out would move up.
 */
export function newOnly<T>(schema: Schema<T, "optional">): Schema<T, "optional"> {
  return make({ ...schema, newOnly: true });
}

export function describe<T, P extends Presence>(
  description: string,
  schema: Schema<T, P>,
): Schema<T, P> {
  return make({ ...schema, description });
}

function make<T, P extends Presence>(node: SchemaNode & { readonly presence: P }): Schema<T, P> {
  return Object.freeze(node) as Schema<T, P>;
}
