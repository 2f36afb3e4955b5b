/**
 * Rewrites: what an intended difference does to the reference or to ours before the two are
 * compared. Each says exactly what it takes, so that anything else there is still a difference.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { isList, isObject, type Json } from "./json.ts";
import { type Facts, matches, type Pattern } from "./pattern.ts";
import { actualType, declaredType, fieldNamed } from "./schema.ts";

export type Side = "reference" | "ours";

export interface Rewrite {
  readonly side: Side;
  /** Full name of the message type that `field` is a field of. */
  readonly message: string;
  /**
   * JSON names, `rds.configSource`; lists are gone through, an element can be chosen by its name:
   * `filters[name=envoy.filters.network.tcp_proxy].typedConfig.accessLog`.
   */
  readonly field: string;
  /** Only in messages of this form. */
  readonly where?: Pattern;
  /**
   * What must be there. A list pattern is the whole list; any other pattern in a list field means
   * each element that matches.
   */
  readonly from: Pattern;
  readonly action:
    | { readonly replaceBy: Json }
    /** For a whole list: one more element in front. */
    | { readonly putFirst: Json }
    /** For a whole list: one more element at its end. */
    | { readonly putLast: Json }
    /** What the message says in another of its fields. */
    | { readonly copyOf: string }
    /** The field `part` of what is there (of each element of a list) under another field's name. */
    | { readonly renameTo: string; readonly part: string }
    /** Taken out, and noted on the message: the other side must have a note of the same name. */
    | { readonly noteAs: string }
    /** Taken out: the other side has nothing there. */
    | "remove";
}

export interface IntendedDifference {
  readonly name: string;
  readonly reason: string;
  readonly rewrites: readonly Rewrite[];
}

/** A list of intended differences, by message type. */
export type Rules = ReadonlyMap<string, readonly (readonly [IntendedDifference, Rewrite])[]>;

export interface Rewritten {
  readonly value: Json;
  /** How often each intended difference applied, by name. */
  readonly applied: ReadonlyMap<string, number>;
  /** Leaves that were taken or replaced. */
  readonly leaves: number;
}

export function rulesFor(differences: readonly IntendedDifference[], side: Side): Rules {
  const rules = new Map<string, (readonly [IntendedDifference, Rewrite])[]>();
  for (const difference of differences)
    for (const rewrite of difference.rewrites) {
      if (rewrite.side !== side) continue;
      const known = rules.get(rewrite.message);
      if (known === undefined) rules.set(rewrite.message, [[difference, rewrite]]);
      else known.push([difference, rewrite]);
    }
  return rules;
}

/** `value` is not changed. */
export function rewritten(
  value: Json,
  type: DescMessage | undefined,
  rules: Rules,
  facts: Facts,
): Rewritten {
  const state: State = { rules, facts, applied: new Map(), leaves: 0 };
  return { value: visit(value, type, state), ...state };
}

interface State {
  readonly rules: Rules;
  readonly facts: Facts;
  readonly applied: Map<string, number>;
  leaves: number;
}

/** Copies that are ours to change. */
type MutableObject = { [key: string]: Json };

function visit(value: Json, declared: DescMessage | undefined, state: State): Json {
  if (isList(value)) return value.map(each => visit(each, declared, state));
  if (!isObject(value)) return value;
  const message = actualType(value, declared);
  const object: MutableObject = { ...value };
  if (message === undefined) return object;
  for (const [difference, rewrite] of state.rules.get(message.typeName) ?? [])
    apply(object, difference, rewrite, state);
  for (const [key, inner] of Object.entries(object)) {
    const field = fieldNamed(message, key);
    if (field?.message === undefined) continue;
    object[key] =
      field.fieldKind === "map" && isObject(inner)
        ? visitMap(inner, declaredType(field), state)
        : visit(inner, declaredType(field), state);
  }
  return object;
}

function visitMap(map: Json, declared: DescMessage | undefined, state: State): Json {
  if (!isObject(map)) return map;
  return Object.fromEntries(
    Object.entries(map).map(([key, inner]) => [key, visit(inner, declared, state)]),
  );
}

function apply(
  message: MutableObject,
  difference: IntendedDifference,
  rewrite: Rewrite,
  state: State,
): void {
  if (rewrite.where !== undefined && !matches(rewrite.where, message, state.facts)) return;
  const before = state.leaves;
  const done = applyAt(message, steps(rewrite.field), filledFrom(message, rewrite), state);
  if (!done) return;
  state.applied.set(difference.name, (state.applied.get(difference.name) ?? 0) + 1);
  if (state.leaves === before) state.leaves++;
  if (typeof rewrite.action === "object" && "noteAs" in rewrite.action)
    message[`(${rewrite.action.noteAs})`] = true;
}

function filledFrom(message: MutableObject, rewrite: Rewrite): Rewrite {
  const { action } = rewrite;
  if (typeof action !== "object" || !("copyOf" in action)) return rewrite;
  return { ...rewrite, action: { replaceBy: message[action.copyOf] ?? null } };
}

interface Step {
  readonly field: string;
  /** Name of the element, or undefined for all. */
  readonly name: string | undefined;
}

function steps(path: string): Step[] {
  const parts = path.match(/[^.[\]]+(\[name=[^\]]+\])?/g) ?? [];
  return parts.map(part => {
    const [, field = part, name] = /^([^[]+)\[name=([^\]]+)\]$/.exec(part) ?? [];
    return { field, name };
  });
}

/** Returns whether something was taken. */
function applyAt(
  container: MutableObject,
  path: readonly Step[],
  rewrite: Rewrite,
  state: State,
): boolean {
  const [step, ...rest] = path;
  if (step === undefined) return false;
  const value = container[step.field];
  if (rest.length === 0) return take(container, step, value, rewrite, state);
  if (value === undefined) return false;
  const list = isList(value) ? [...value] : [value];
  let done = false;
  for (const [index, element] of list.entries()) {
    if (!isObject(element) || !named(element, step.name)) continue;
    const copy: MutableObject = { ...element };
    if (!applyAt(copy, rest, rewrite, state)) continue;
    list[index] = copy;
    done = true;
  }
  if (done) container[step.field] = isList(value) ? list : (list[0] ?? null);
  return done;
}

function take(
  container: MutableObject,
  step: Step,
  value: Json | undefined,
  rewrite: Rewrite,
  state: State,
): boolean {
  const { action, from } = rewrite;
  const { facts } = state;
  if (typeof action === "object" && "renameTo" in action)
    return rename(container, step.field, value, { ...action, from }, state);
  if (
    isList(value) &&
    typeof action === "object" &&
    ("putFirst" in action || "putLast" in action)
  ) {
    if (!matches(from, value, facts)) return false;
    container[step.field] =
      "putFirst" in action ? [action.putFirst, ...value] : [...value, action.putLast];
    return true;
  }
  if (isList(value) && !isList(from)) return takeElements(container, step, value, rewrite, state);
  if (!matches(from, value, facts)) return false;
  if (value !== undefined) state.leaves += countLeaves(value);
  const by = replacement(rewrite, facts);
  if (by === undefined) delete container[step.field];
  else container[step.field] = by;
  return true;
}

interface Renaming {
  readonly renameTo: string;
  readonly part: string;
  readonly from: Pattern;
}

/** All or nothing: an element of another form stays, and with it the whole list, as a difference. */
function rename(
  container: MutableObject,
  field: string,
  value: Json | undefined,
  { renameTo, part, from }: Renaming,
  state: State,
): boolean {
  if (value === undefined || container[renameTo] !== undefined) return false;
  const parts = (isList(value) ? value : [value]).map(each =>
    isObject(each) && matches(from, each, state.facts) ? each[part] : undefined,
  );
  const found = parts.filter(each => each !== undefined);
  const [first] = found;
  if (first === undefined || found.length < parts.length) return false;
  state.leaves += countLeaves(value);
  delete container[field];
  container[renameTo] = isList(value) ? found : first;
  return true;
}

function takeElements(
  container: MutableObject,
  step: Step,
  value: readonly Json[],
  rewrite: Rewrite,
  state: State,
): boolean {
  const kept: Json[] = [];
  let done = false;
  for (const element of value) {
    if (!named(element, step.name) || !matches(rewrite.from, element, state.facts)) {
      kept.push(element);
      continue;
    }
    done = true;
    state.leaves += countLeaves(element);
    const by = replacement(rewrite, state.facts);
    if (by !== undefined) kept.push(by);
  }
  if (!done) return false;
  if (kept.length === 0) delete container[step.field];
  else container[step.field] = kept;
  return true;
}

function replacement(rewrite: Rewrite, facts: Facts): Json | undefined {
  const { action } = rewrite;
  return typeof action === "object" && "replaceBy" in action
    ? filled(action.replaceBy, facts)
    : undefined;
}

/** `{$fact: name}` anywhere in a replacement stands for that fact. */
function filled(value: Json, facts: Facts): Json {
  if (isList(value)) return value.map(each => filled(each, facts));
  if (!isObject(value)) return value;
  const fact = value["$fact"];
  if (typeof fact === "string") return facts[fact] ?? null;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, facts)]));
}

function named(element: Json, name: string | undefined): boolean {
  return name === undefined || (isObject(element) && element["name"] === name);
}

function countLeaves(value: Json): number {
  const inner = isList(value) ? value : isObject(value) ? Object.values(value) : [];
  return inner.length === 0 ? 1 : inner.reduce<number>((sum, each) => sum + countLeaves(each), 0);
}
