/**
 * The control of the comparison itself: changes each leaf of the reference in turn and looks
 * whether the comparison says so. What it does not report is something that it can not see.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { type Difference, differences } from "./diff.ts";
import { isList, isObject, type Json, sameJson } from "./json.ts";
import type { Facts } from "./pattern.ts";
import { type Rules, rewritten } from "./rewrite.ts";

export interface Subject {
  readonly type: DescMessage | undefined;
  readonly reference: Json;
  readonly ours: Json | undefined;
  readonly facts: Facts;
}

export interface ControlResult {
  readonly leaves: number;
  /** Changing the leaf is reported. */
  readonly live: number;
  /** Leaves that an intended difference takes, live or not. */
  readonly rewritten: number;
  /** Paths of leaves whose change an intended difference hides. */
  readonly hidden: readonly string[];
  /** Paths of leaves that no intended difference hides, and still are not seen: must be empty. */
  readonly blind: readonly string[];
}

export function control(
  subject: Subject,
  rules: { readonly reference: Rules; readonly ours: Rules },
): ControlResult {
  const { type, facts } = subject;
  const expected = rewritten(subject.reference, type, rules.reference, facts);
  const ours = subject.ours && rewritten(subject.ours, type, rules.ours, facts).value;
  const baseline = new Set(differences(expected.value, ours, type).map(textOf));
  const hidden: string[] = [];
  const blind: string[] = [];
  let live = 0;
  const paths = leafPaths(subject.reference);
  for (const path of paths) {
    const changed = withChangedLeaf(subject.reference, path);
    const changedExpected = rewritten(changed, type, rules.reference, facts).value;
    const seen = differences(changedExpected, ours, type);
    if (seen.length !== baseline.size || seen.some(each => !baseline.has(textOf(each)))) live++;
    else (sameJson(changedExpected, expected.value) ? hidden : blind).push(path.join("."));
  }
  return { leaves: paths.length, live, rewritten: expected.leaves, hidden, blind };
}

type LeafPath = readonly (string | number)[];

function leafPaths(value: Json, at: LeafPath = []): LeafPath[] {
  const inner = isList(value) ? [...value.entries()] : isObject(value) ? Object.entries(value) : [];
  if (inner.length === 0) return [at];
  return inner.flatMap(([key, each]) => leafPaths(each, [...at, key]));
}

/** Shares everything with `value` except what lies on the path. */
function withChangedLeaf(value: Json, path: LeafPath, depth: number = 0): Json {
  const key = path[depth];
  if (key === undefined) return changedLeaf(value);
  if (isList(value))
    return value.map((each, index) =>
      index === key ? withChangedLeaf(each, path, depth + 1) : each,
    );
  if (!isObject(value)) return changedLeaf(value);
  return { ...value, [key]: withChangedLeaf(value[key] ?? null, path, depth + 1) };
}

function changedLeaf(value: Json): Json {
  if (typeof value === "string") return `${value}~`;
  if (typeof value === "number") return value + 1;
  if (typeof value === "boolean") return !value;
  return isObject(value) ? { "~": true } : "~";
}

function textOf(difference: Difference): string {
  return JSON.stringify([difference.path, difference.expected ?? "~", difference.got ?? "~"]);
}
