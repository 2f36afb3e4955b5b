/** The functions of custom injection templates: those of Go and Istio that overlays use. */

import type { Json } from "../api/kind.ts";
import { own } from "../base/own.ts";
import { isArray, isObject, jsonEqual, objectAt } from "../sources/json.ts";
import type { Budget } from "./template-budget.ts";

type Value = Json | undefined;
type Outcome =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string };
type TemplateFunction = (values: readonly Value[], budget: Budget) => Outcome;

/** Go's truth: not empty, not zero. */
export function isTruthy(value: Value): boolean {
  if (isArray(value)) return value.length > 0;
  if (isObject(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== "" && value !== 0 && value !== false;
}

function ok(value: Value): Outcome {
  return { ok: true, value };
}

function counted(count: number, call: TemplateFunction): TemplateFunction {
  return (values, budget) =>
    values.length === count
      ? call(values, budget)
      : { ok: false, message: `wants ${count} values, found ${values.length}` };
}

function text(value: Value): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** `index x "a" "b"`: x's a's b; nothing where there is none. */
const index: TemplateFunction = ([first, ...keys]) => {
  let value: Value = first;
  for (const key of keys) {
    if (isArray(value) && typeof key === "number") value = value[key];
    else if (isObject(value) && typeof key === "string")
      value = Object.hasOwn(value, key) ? value[key] : undefined;
    else value = undefined;
  }
  return ok(value);
};

/** Go's verbs that say how one value is shown. */
const printf: TemplateFunction = ([format, ...values]) => {
  let next = 0;
  const shown = text(format).replace(/%([a-z%])/g, (all, verb: string) => {
    if (verb === "%") return "%";
    const value = values[next++];
    if (verb === "q") return JSON.stringify(text(value));
    return "svdt".includes(verb) ? text(value) : all;
  });
  if (next === values.length) return ok(shown);
  return { ok: false, message: `${next} verbs for ${values.length} values` };
};

function compared(holds: (order: number) => boolean): TemplateFunction {
  return counted(2, ([a, b]) => {
    const same = typeof a === typeof b && (typeof a === "number" || typeof a === "string");
    if (!same || a === undefined || b === undefined || a === null || b === null)
      return { ok: false, message: "wants two numbers or two texts" };
    return ok(holds(a < b ? -1 : a > b ? 1 : 0));
  });
}

function keysOf(value: Value): string[] {
  return isObject(value) ? Object.keys(value).sort() : [];
}

function replaced(old: Value, by: Value, value: Value, budget: Budget): string {
  const [from, to, whole] = [text(old), text(by), text(value)];
  const times = whole.split(from).length + 1;
  budget.room(times * to.length);
  return whole.replaceAll(from, () => to);
}

/** These do not go into what they are given, nor into the first one of it. */
const GLANCES = new Set(
  "index not and or default valueOrDefault empty ternary list keys len indent nindent".split(" "),
);
const GLANCES_AT_FIRST = new Set(["hasKey", "isset", "get", "annotation"]);
/** The result is one of the values, or a part of one. */
const GIVES_BACK = new Set(
  "index and or default valueOrDefault ternary get annotation indent nindent".split(" "),
);

/** Undefined: there is no such function. What it reads and makes is charged. */
export function callFunction(
  name: string,
  values: readonly Value[],
  budget: Budget,
): Outcome | undefined {
  const call = Object.hasOwn(templateFunctions, name) ? templateFunctions[name] : undefined;
  if (call === undefined) return undefined;
  values.forEach((value, i) => {
    if (GLANCES.has(name) || (i === 0 && GLANCES_AT_FIRST.has(name))) budget.glance(value);
    else budget.whole(value);
  });
  const result = call(values, budget);
  if (result.ok && !GIVES_BACK.has(name)) budget.made(result.value);
  return result;
}

export const functionNames = (): string[] => Object.keys(templateFunctions);

const templateFunctions: Readonly<Record<string, TemplateFunction>> = {
  index,
  eq: ([first, ...others]) => ok(others.some(other => jsonEqual(first, other))),
  ne: counted(2, ([a, b]) => ok(!jsonEqual(a, b))),
  not: counted(1, ([value]) => ok(!isTruthy(value))),
  and: values => ok(values.find(value => !isTruthy(value)) ?? values.at(-1)),
  or: values => ok(values.find(isTruthy) ?? values.at(-1)),
  default: counted(2, ([otherwise, value]) => ok(isTruthy(value) ? value : otherwise)),
  valueOrDefault: counted(2, ([value, otherwise]) => ok(isTruthy(value) ? value : otherwise)),
  quote: counted(1, ([value]) => ok(JSON.stringify(text(value)))),
  lower: counted(1, ([value]) => ok(text(value).toLowerCase())),
  toLower: counted(1, ([value]) => ok(text(value).toLowerCase())),
  upper: counted(1, ([value]) => ok(text(value).toUpperCase())),
  trim: counted(1, ([value]) => ok(text(value).trim())),
  trimPrefix: counted(2, ([part, value]) => {
    const [prefix, whole] = [text(part), text(value)];
    return ok(whole.startsWith(prefix) ? whole.slice(prefix.length) : whole);
  }),
  trimSuffix: counted(2, ([part, value]) => {
    const [suffix, whole] = [text(part), text(value)];
    return ok(whole.endsWith(suffix) ? whole.slice(0, whole.length - suffix.length) : whole);
  }),
  hasPrefix: counted(2, ([part, value]) => ok(text(value).startsWith(text(part)))),
  hasSuffix: counted(2, ([part, value]) => ok(text(value).endsWith(text(part)))),
  replace: counted(3, ([old, by, value], budget) => ok(replaced(old, by, value, budget))),
  join: counted(2, ([by, list], budget) => {
    const [between, items] = [text(by), isArray(list) ? list : []];
    budget.room(between.length * items.length);
    return ok(items.map(text).join(between));
  }),
  splitList: counted(2, ([by, value]) => ok(text(value).split(text(by)))),
  toString: counted(1, ([value]) => ok(text(value))),
  printf,
  len: counted(1, ([value]) =>
    ok(isArray(value) ? value.length : isObject(value) ? keysOf(value).length : text(value).length),
  ),
  lt: compared(order => order < 0),
  le: compared(order => order <= 0),
  gt: compared(order => order > 0),
  ge: compared(order => order >= 0),
  empty: counted(1, ([value]) => ok(!isTruthy(value))),
  ternary: counted(3, ([yes, no, value]) => ok(isTruthy(value) ? yes : no)),
  list: values => ok(values.map(value => value ?? null)),
  keys: counted(1, ([value]) => ok(keysOf(value))),
  hasKey: counted(2, ([object, key]) => ok(isObject(object) && Object.hasOwn(object, text(key)))),
  get: counted(2, ([object, key], budget) => index([object, text(key)], budget)),
  contains: counted(2, ([part, value]) => ok(text(value).includes(text(part)))),
  // JSON is YAML, and in the flow form it needs no indentation.
  toJSON: counted(1, ([value]) => ok(JSON.stringify(value ?? null))),
  toJson: counted(1, ([value]) => ok(JSON.stringify(value ?? null))),
  toYaml: counted(1, ([value]) => ok(JSON.stringify(value ?? null))),
  indent: counted(2, ([, value]) => ok(value)),
  nindent: counted(2, ([, value]) => ok(value)),
  isset: counted(2, ([object, key]) => ok(isObject(object) && Object.hasOwn(object, text(key)))),
  /** `annotation .ObjectMeta "name" otherwise`, Istio's own. */
  annotation: counted(3, ([meta, name, otherwise]) => {
    const annotations = objectAt(isObject(meta) ? meta : {}, "annotations");
    return ok(own(annotations, text(name)) ?? otherwise);
  }),
};
