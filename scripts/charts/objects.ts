/** Rendered objects as those of a chart, a file for each kind. Pure. */
import type { Json, JsonObject } from "../../packages/lateen/src/api/kind.ts";
import { arrayAt, isObject, objectAt } from "../../packages/lateen/src/sources/json.ts";
import { conditionalLines, type Holes, templateLines } from "./template.ts";
import type { Part, Tree } from "./tree.ts";

export const GENERATED =
  "{{- /* Made by `npm run charts` from what `lateen install` renders: change it there. */ -}}";

/** What the installer marks its objects with; a chart's objects are the release's. */
export const MARKS: ReadonlySet<string> = new Set([
  "app.kubernetes.io/managed-by",
  "app.kubernetes.io/part-of",
  "app.kubernetes.io/version",
  "install.operator.istio.io/owning-resource",
  "install.operator.istio.io/owning-resource-namespace",
  "operator.istio.io/component",
  "operator.istio.io/managed",
  "operator.istio.io/version",
  "release",
]);

export function withoutMarks(object: JsonObject): JsonObject {
  const metadata = objectAt(object, "metadata");
  const kept = Object.entries(objectAt(metadata, "labels")).filter(([key]) => !MARKS.has(key));
  return { ...object, metadata: { ...metadata, labels: Object.fromEntries(kept) } };
}

/** With the chart's labels in the place of the installer's. */
export function chartObject(object: JsonObject, labels: string): JsonObject {
  const plain = withoutMarks(object);
  const metadata = objectAt(plain, "metadata");
  const both: Record<string, Json> = { ...objectAt(metadata, "labels"), [labels]: "" };
  return { ...plain, metadata: { ...metadata, labels: both } };
}

/** With `policy` in the place of what the control plane changes when it works. */
export function withPolicy(object: JsonObject, policy: string): JsonObject {
  if (object["kind"] !== "ValidatingWebhookConfiguration") return object;
  const webhooks = arrayAt(object, "webhooks").map(each =>
    isObject(each) ? { ...each, failurePolicy: policy } : each,
  );
  return { ...object, webhooks };
}

/** `templates/deployment.yaml`, ...; objects that are there under a condition within it. */
export function files(objects: Tree, holes: Holes): [string, string][] {
  const byKind = new Map<string, Part[]>();
  for (const part of objects.type === "list" ? objects.items : []) {
    const path = `templates/${kindOf(part).toLowerCase()}.yaml`;
    byKind.set(path, [...(byKind.get(path) ?? []), part]);
  }
  const write = ({ tree }: Part): string[] => ["---", ...templateLines(tree, 0, holes)];
  return [...byKind].map(([path, parts]) => {
    const lines = conditionalLines(parts, write);
    return [path, [GENERATED, ...lines, ""].join("\n")];
  });
}

function kindOf({ tree }: Part): string {
  const kind = tree.type === "map" ? tree.entries.find(each => each.key === "kind") : undefined;
  return kind?.tree.type === "scalar" ? String(kind.tree.value) : "";
}
