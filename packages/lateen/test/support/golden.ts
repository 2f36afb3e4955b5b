/**
 * Golden files: resources as canonical JSON. The metrics loggers are most of a listener and all the
 * same, so they lie once in stats.golden.json, and elsewhere is the place where.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type JsonTree =
  | null
  | boolean
  | number
  | string
  | readonly JsonTree[]
  | { readonly [key: string]: JsonTree };

const STATS = "envoy.access_loggers.stats";
const REFERENCE = "$stats";

export function goldenPath(name: string): string {
  return join(import.meta.dirname, "../../src/xds/testdata", `${name}.golden.json`);
}

export function readGolden(name: string): JsonTree {
  return JSON.parse(readFileSync(goldenPath(name), "utf8"));
}

/** Takes the metrics loggers out; `fragments` collects them. */
export function fold(tree: JsonTree, fragments: JsonTree[]): JsonTree {
  return walk(tree, object => {
    if (object["name"] !== STATS) return undefined;
    const text = JSON.stringify(object);
    const known = fragments.findIndex(each => JSON.stringify(each) === text);
    return { [REFERENCE]: known >= 0 ? known : fragments.push(object) - 1 };
  });
}

/** Puts them in again. */
export function unfold(tree: JsonTree, fragments: readonly JsonTree[]): JsonTree {
  return walk(tree, object => {
    const index = object[REFERENCE];
    return typeof index === "number" ? (fragments[index] ?? null) : undefined;
  });
}

function walk(
  tree: JsonTree,
  replace: (object: { readonly [key: string]: JsonTree }) => JsonTree | undefined,
): JsonTree {
  if (tree === null || typeof tree !== "object") return tree;
  if (isArray(tree)) return tree.map(item => walk(item, replace));
  const replaced = replace(tree);
  if (replaced !== undefined) return replaced;
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [key, walk(value, replace)]),
  );
}

function isArray(tree: object): tree is readonly JsonTree[] {
  return Array.isArray(tree);
}
