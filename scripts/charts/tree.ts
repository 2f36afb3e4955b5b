/**
 * Objects parts of which are there under conditions only: what the renderings of one installation
 * with different settings have in common and where they differ. Pure.
 */
import type { Json, JsonObject } from "../../packages/lateen/src/api/kind.ts";
import { isArray, isObject } from "../../packages/lateen/src/sources/json.ts";

export type Scalar = string | number | boolean | null;

export interface Part {
  /** Template expressions that all have to hold. */
  readonly when: readonly string[];
  /** Brought in by a variation: not in the basis that further ones are compared with. */
  readonly added: boolean;
  readonly tree: Tree;
}

/** One key may be there twice, under conditions that exclude each other. */
export interface Entry extends Part {
  readonly key: string;
}

export type Tree =
  | { readonly type: "scalar"; readonly value: Scalar }
  | { readonly type: "map"; readonly entries: readonly Entry[] }
  | { readonly type: "list"; readonly items: readonly Part[] };

/** One setting that makes a difference. */
export interface Variation {
  /** A template expression that holds where the setting is so. */
  readonly when: string;
  /** The text that serves both, undefined where they differ. */
  readonly both: (basis: Scalar, varied: Scalar) => Scalar | undefined;
}

export function treeOf(json: Json): Tree {
  if (isArray(json)) return { type: "list", items: json.map(item => part(treeOf(item))) };
  if (isObject(json)) {
    const entries = Object.entries(json).map(([key, value]) => ({ key, ...part(treeOf(value)) }));
    return { type: "map", entries };
  }
  return { type: "scalar", value: json };
}

function part(tree: Tree): Part {
  return { when: [], added: false, tree };
}

/** The tree that gives the basis where the setting is not so, and `varied` where it is. */
export function vary(basis: Tree, varied: Json, variation: Variation): Tree | undefined {
  if (basis.type === "map")
    return isObject(varied) ? varyMap(basis.entries, varied, variation) : undefined;
  if (basis.type === "list")
    return isArray(varied)
      ? { type: "list", items: varyList(basis.items, varied, variation) }
      : undefined;
  if (isObject(varied) || isArray(varied)) return undefined;
  const value = variation.both(basis.value, varied);
  return value === undefined ? undefined : { type: "scalar", value };
}

function varyMap(entries: readonly Entry[], varied: JsonObject, variation: Variation): Tree {
  const result: Entry[] = [];
  for (const entry of entries) {
    const other = entry.added ? undefined : varied[entry.key];
    const tree = other === undefined ? undefined : vary(entry.tree, other, variation);
    if (entry.added) result.push(entry);
    else if (tree !== undefined) result.push({ ...entry, tree });
    else {
      result.push({ ...entry, when: [...entry.when, not(variation.when)] });
      if (other !== undefined) result.push({ key: entry.key, ...introduced(other, variation) });
    }
  }
  const known = new Set(entries.filter(each => !each.added).map(each => each.key));
  for (const [key, value] of Object.entries(varied))
    if (!known.has(key)) result.push({ key, ...introduced(value, variation) });
  return { type: "map", entries: result };
}

function introduced(json: Json, { when }: Variation): Part {
  return { when: [when], added: true, tree: treeOf(json) };
}

function not(expression: string): string {
  if (/^not [^ ()]+$/.test(expression)) return expression.slice("not ".length);
  return /^[^ ()]+$/.test(expression) ? `not ${expression}` : `not (${expression})`;
}

/** Items are matched in their order: what is alike stays one item. */
function varyList(items: readonly Part[], varied: readonly Json[], variation: Variation): Part[] {
  const visible = items.filter(each => !each.added);
  const pairs = longestMatch(visible, varied, variation);
  const result: Part[] = [];
  let next = 0;
  const until = (end: number): void => {
    for (const item of varied.slice(next, end)) result.push(introduced(item, variation));
    next = end;
  };
  for (const item of items) {
    const match = pairs.get(item);
    if (item.added) result.push(item);
    else if (match === undefined)
      result.push({ ...item, when: [...item.when, not(variation.when)] });
    else {
      until(match.index);
      result.push({ ...item, tree: match.tree });
      next = match.index + 1;
    }
  }
  until(varied.length);
  return result;
}

interface Match {
  readonly index: number;
  readonly tree: Tree;
}

/** The longest common subsequence. */
function longestMatch(
  items: readonly Part[],
  varied: readonly Json[],
  variation: Variation,
): ReadonlyMap<Part, Match> {
  const alike = items.map(item => varied.map(other => matched(item.tree, other, variation)));
  const length = items.map(() => varied.map(() => 0));
  const at = (i: number, j: number): number => length[i]?.[j] ?? 0;
  for (let i = items.length - 1; i >= 0; i--)
    for (let j = varied.length - 1; j >= 0; j--) {
      const row = length[i];
      if (row === undefined) continue;
      const isAlike = alike[i]?.[j] !== undefined;
      row[j] = isAlike ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const pairs = new Map<Part, Match>();
  let [i, j] = [0, 0];
  while (i < items.length && j < varied.length) {
    const item = items[i];
    const tree = alike[i]?.[j];
    if (item !== undefined && tree !== undefined) {
      pairs.set(item, { index: j, tree });
      i += 1;
      j += 1;
    } else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}

/** Maps with a name (objects: kind and name) are alike where that is; other things where all is. */
function matched(tree: Tree, other: Json, variation: Variation): Tree | undefined {
  const varied = vary(tree, other, variation);
  if (varied === undefined || tree.type === "scalar") return varied;
  const [own, theirs] = [identity(tree), isObject(other) ? identity(treeOf(other)) : undefined];
  if (own === undefined || theirs === undefined)
    return isUnconditional(varied, tree) ? varied : undefined;
  const same =
    own.length === theirs.length &&
    own.every((each, index) => variation.both(each, theirs[index] ?? null) !== undefined);
  return same ? varied : undefined;
}

function identity(tree: Tree): readonly Scalar[] | undefined {
  const kind = scalarAt(tree, "kind");
  const name = scalarAt(tree, "name") ?? scalarAt(childAt(tree, "metadata"), "name");
  return name === undefined ? undefined : kind === undefined ? [name] : [kind, name];
}

function childAt(tree: Tree | undefined, key: string): Tree | undefined {
  if (tree?.type !== "map") return undefined;
  return tree.entries.find(each => each.key === key)?.tree;
}

function scalarAt(tree: Tree | undefined, key: string): Scalar | undefined {
  const child = childAt(tree, key);
  return child?.type === "scalar" ? child.value : undefined;
}

function isUnconditional(varied: Tree, before: Tree): boolean {
  return conditions(varied) === conditions(before);
}

function conditions(tree: Tree): number {
  if (tree.type === "scalar") return 0;
  const parts: readonly Part[] = tree.type === "map" ? tree.entries : tree.items;
  return parts.reduce((sum, each) => sum + each.when.length + conditions(each.tree), 0);
}
