/** MeshConfig's `discoverySelectors`: the namespaces that the control plane sees. */
import { decode, isObject } from "../decode.ts";
import type { JsonObject } from "../kind.ts";
import { labelValue, qualifiedName } from "../names.ts";
import { Report } from "../report.ts";
import { enumOf, list, map, object, required, string, type TypeOf } from "../schema.ts";

/** apimachinery's LabelSelector. */
export const labelSelector = object({
  matchLabels: map(string({ check: labelValue }), { keyCheck: qualifiedName }),
  matchExpressions: list(
    object({
      key: required(string({ check: qualifiedName })),
      operator: required(enumOf(["In", "NotIn", "Exists", "DoesNotExist"])),
      values: list(string()),
    }),
  ),
});

export type LabelSelector = TypeOf<typeof labelSelector>;

export const discoverySelectors = list(labelSelector, {
  description: "Namespaces that are seen; absent: all. Carried out where a cluster is the source.",
});

/** Of a parsed MeshConfig; undefined where they are not valid. */
export function decodeDiscoverySelectors(
  meshConfig: JsonObject,
): readonly LabelSelector[] | undefined {
  const given = isObject(meshConfig) ? (meshConfig["discoverySelectors"] ?? []) : [];
  const report = new Report();
  const decoded = decode(discoverySelectors, given, report, ["discoverySelectors"]);
  return report.failed ? undefined : decoded;
}
