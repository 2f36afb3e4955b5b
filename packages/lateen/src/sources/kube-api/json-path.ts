/** The subset of JSONPath that printer columns use: `.a.b`, `['a']`, `[0]`, `[*]`, `[?(@.a=="b")]`. */
import type { Json } from "../../api/kind.ts";
import { isArray, isObject } from "../json.ts";

type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "all" }
  | { readonly kind: "filter"; readonly name: string; readonly value: string };

const STEP =
  /\.([A-Za-z0-9_-]+(?:\\\.[A-Za-z0-9_/-]+)*)|\['([^']+)'\]|\[(\d+)\]|\[(\*)\]|\[\?\(@\.([A-Za-z0-9_-]+)\s*==\s*["']([^"']*)["']\)\]/y;

/** Values that `path` finds; none where something on the way is missing or the path is not valid. */
export function jsonPath(value: Json, path: string): Json[] {
  const steps = parse(path);
  if (steps === undefined) return [];
  let found: Json[] = [value];
  for (const step of steps) found = found.flatMap(item => follow(item, step));
  return found;
}

function parse(path: string): Step[] | undefined {
  const steps: Step[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < path.length) {
    const match = STEP.exec(path);
    if (match === null) return undefined;
    const [, field, quoted, index, all, filterName, filterValue] = match;
    if (field !== undefined) steps.push({ kind: "field", name: field.replaceAll("\\.", ".") });
    else if (quoted !== undefined) steps.push({ kind: "field", name: quoted });
    else if (index !== undefined) steps.push({ kind: "index", index: Number(index) });
    else if (all !== undefined) steps.push({ kind: "all" });
    else steps.push({ kind: "filter", name: filterName ?? "", value: filterValue ?? "" });
  }
  return steps;
}

function follow(value: Json, step: Step): Json[] {
  switch (step.kind) {
    case "field": {
      const child =
        isObject(value) && Object.hasOwn(value, step.name) ? value[step.name] : undefined;
      return child === undefined ? [] : [child];
    }
    case "index": {
      const child = isArray(value) ? value[step.index] : undefined;
      return child === undefined ? [] : [child];
    }
    case "all":
      if (isArray(value)) return [...value];
      return isObject(value) ? Object.values(value) : [];
    case "filter":
      if (!isArray(value)) return [];
      return value.filter(item => isObject(item) && item[step.name] === step.value);
  }
}
