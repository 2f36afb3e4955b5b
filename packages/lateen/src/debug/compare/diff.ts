/** Every semantic difference of two messages in canonical JSON. */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { isList, isObject, type Json, type JsonList, type JsonObject, sameJson } from "./json.ts";
import { type ListRule, listRule } from "./matching.ts";
import { actualType, declaredType, fieldNamed } from "./schema.ts";

export interface Difference {
  /** `filterChains[0.0.0.0_80].filters[0].typedConfig.statPrefix`. */
  readonly path: string;
  /** Undefined: there is no such thing on that side. */
  readonly expected: Json | undefined;
  readonly got: Json | undefined;
}

export function differences(
  expected: Json | undefined,
  got: Json | undefined,
  message: DescMessage | undefined,
): Difference[] {
  const found: Difference[] = [];
  diffValue(expected, got, message, "", found);
  return found;
}

type Found = Difference[];

function diffValue(
  expected: Json | undefined,
  got: Json | undefined,
  declared: DescMessage | undefined,
  path: string,
  found: Found,
): void {
  if (isObject(expected) && isObject(got)) {
    const message = actualType(expected, declared);
    if (sameType(expected, got)) diffObject(expected, got, message, path, found);
    else found.push({ path, expected, got });
  } else if (isList(expected) && isList(got)) {
    // A list inside a Struct: nothing is known of its elements.
    diffList(expected, got, undefined, path, found);
  } else if (!sameJson(expected, got)) {
    found.push({ path, expected, got });
  }
}

/** Fields of different types of messages are not worth comparing one by one. */
function sameType(expected: JsonObject, got: JsonObject): boolean {
  return sameJson(expected["@type"], got["@type"]);
}

function diffObject(
  expected: JsonObject,
  got: JsonObject,
  message: DescMessage | undefined,
  path: string,
  found: Found,
): void {
  for (const key of new Set([...Object.keys(expected), ...Object.keys(got)])) {
    const field = fieldNamed(message, key);
    const at = path === "" ? key : `${path}.${key}`;
    const left = own(expected, key);
    const right = own(got, key);
    if (field?.fieldKind === "list" && isList(left) && isList(right))
      diffList(left, right, field, at, found);
    else if (field?.fieldKind === "map" && isObject(left) && isObject(right))
      diffMap(left, right, declaredType(field), at, found);
    else diffValue(left, right, declaredType(field), at, found);
  }
}

function diffMap(
  expected: JsonObject,
  got: JsonObject,
  declared: DescMessage | undefined,
  path: string,
  found: Found,
): void {
  for (const key of new Set([...Object.keys(expected), ...Object.keys(got)]))
    diffValue(own(expected, key), own(got, key), declared, `${path}[${key}]`, found);
}

function diffList(
  expected: JsonList,
  got: JsonList,
  field: DescField | undefined,
  path: string,
  found: Found,
): void {
  const rule = listRule(field && `${field.parent.typeName}.${field.name}`);
  const pairs = rule.ordered ? pairInOrder(expected, got, rule) : pairByKey(expected, got, rule);
  for (const [left, right] of pairs) {
    const element = left?.element ?? right?.element;
    const at = `${path}[${label(element, left?.index ?? right?.index ?? 0)}]`;
    diffValue(left?.element, right?.element, declaredType(field), at, found);
  }
}

interface Placed {
  readonly element: Json;
  readonly index: number;
}
type Pair = readonly [Placed | undefined, Placed | undefined];

/** Equal keys are paired; what is left is paired in order where it is as much on both sides. */
function pairByKey(expected: JsonList, got: JsonList, rule: ListRule): Pair[] {
  const waiting = new Map<string, Placed[]>();
  for (const [index, element] of got.entries()) {
    const key = rule.key(element);
    const same = waiting.get(key);
    if (same === undefined) waiting.set(key, [{ element, index }]);
    else same.push({ element, index });
  }
  const pairs: Pair[] = [];
  const missing: Placed[] = [];
  for (const [index, element] of expected.entries()) {
    const match = waiting.get(rule.key(element))?.shift();
    if (match === undefined) missing.push({ element, index });
    else pairs.push([{ element, index }, match]);
  }
  return [...pairs, ...pairGap(missing, [...waiting.values()].flat())];
}

function pairGap(left: readonly Placed[], right: readonly Placed[]): Pair[] {
  if (left.length === right.length) return left.map((each, index) => [each, right[index]] as const);
  return [
    ...left.map(each => [each, undefined] as const),
    ...right.map(each => [undefined, each] as const),
  ];
}

/**
 * A longest common subsequence by key keeps its place; what lies between two common elements is
 * paired where it is as much on both sides. So an element that was moved is reported as missing and as extra.
 */
function pairInOrder(expected: JsonList, got: JsonList, rule: ListRule): Pair[] {
  const left = expected.map((element, index) => ({ element, index, key: rule.key(element) }));
  const right = got.map((element, index) => ({ element, index, key: rule.key(element) }));
  const common = longestCommon(
    left.map(each => each.key),
    right.map(each => each.key),
  );
  const pairs: Pair[] = [];
  let i = 0;
  let j = 0;
  for (const [nextLeft, nextRight] of [...common, [left.length, right.length] as const]) {
    pairs.push(...pairGap(left.slice(i, nextLeft), right.slice(j, nextRight)));
    if (nextLeft < left.length) pairs.push([left[nextLeft], right[nextRight]]);
    i = nextLeft + 1;
    j = nextRight + 1;
  }
  return pairs;
}

/** Index pairs of a longest common subsequence. */
function longestCommon(left: readonly string[], right: readonly string[]): [number, number][] {
  const width = right.length + 1;
  const lengths = new Uint32Array((left.length + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      lengths[i * width + j] =
        left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const pairs: [number, number][] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    if (left[i] === right[j]) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return pairs;
}

/** Names tell more than numbers. */
function label(element: Json | undefined, index: number): string {
  const name = isObject(element) ? element["name"] : undefined;
  return typeof name === "string" && name !== "" ? `${index} ${name}` : String(index);
}

function own(value: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
