/** core/v1 Node: the mesh reads its locality labels. */
import { ageColumn, at, column, objectsAt, textAt } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import type { JsonObject } from "../kind.ts";
import { any, boolean, list, object, optional, string } from "../schema.ts";

const fields = {
  spec: object(
    {
      podCIDR: string(),
      podCIDRs: optional(list(string(), { patchMerge: true })),
      providerID: string(),
      unschedulable: boolean(),
      taints: optional(list(any())),
    },
    { open: true },
  ),
  status: object(
    {
      addresses: list(object({ type: string(), address: string() }, { open: true }), {
        patchMergeKey: "type",
        mapKeys: ["type"],
      }),
      conditions: list(
        object({ type: string(), status: string(), reason: string() }, { open: true }),
        { patchMergeKey: "type", mapKeys: ["type"] },
      ),
    },
    { open: true },
  ),
};

export type Node = ObjectOfKind<typeof fields>;

export const nodeKind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "Node",
  plural: "nodes",
  shortNames: ["no"],
  namespaced: false,
  subresources: ["status"],
  description: "A machine that runs pods. Its topology labels give the locality of endpoints.",
  fields,
  columns: [
    column("Status", "Ready or NotReady.", statusText),
    column("Roles", "From the labels node-role.kubernetes.io/*.", rolesText),
    ageColumn,
    column("Version", "Version of the kubelet.", node => info(node, "kubeletVersion")),
    column("Internal-IP", "Address inside.", node => address(node, "InternalIP"), { wide: true }),
    column("External-IP", "Address outside.", node => address(node, "ExternalIP"), { wide: true }),
    column("OS-Image", "Operating system.", node => info(node, "osImage"), { wide: true }),
    column("Kernel-Version", "Kernel.", node => info(node, "kernelVersion"), { wide: true }),
    column("Container-Runtime", "Runtime.", node => info(node, "containerRuntimeVersion"), {
      wide: true,
    }),
  ],
});

function statusText(node: JsonObject): string {
  const ready = objectsAt(node, "status", "conditions").find(c => c["type"] === "Ready");
  const status =
    ready === undefined ? "Unknown" : ready["status"] === "True" ? "Ready" : "NotReady";
  return at(node, "spec", "unschedulable") === true ? `${status},SchedulingDisabled` : status;
}

function rolesText(node: JsonObject): string {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(at(node, "metadata", "labels") ?? {})
    .filter(label => label.startsWith(prefix) && label.length > prefix.length)
    .map(label => label.slice(prefix.length));
  return roles.length === 0 ? "<none>" : roles.sort().join(",");
}

function info(node: JsonObject, field: string): string {
  return textAt(node, "status", "nodeInfo", field) || "<unknown>";
}

function address(node: JsonObject, type: string): string {
  const found = objectsAt(node, "status", "addresses").find(a => a["type"] === type);
  return textAt(found, "address") || "<none>";
}
