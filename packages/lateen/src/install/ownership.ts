/** Whose are objects that are in the cluster already: what another installation brought is left alone. */
import type { JsonObject } from "../api/kind.ts";
import { type ApiClient, resourcePath } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import type { InstallFailure } from "./install.ts";
import { describeName, nameOf, type PlannedObject, resourceOf } from "./objects.ts";
import { OWNER, OWNER_LABEL } from "./render.ts";

/** Whether a live object was installed by Lateen. */
export function isOurs(object: JsonObject): boolean {
  return stringAt(objectAt(objectAt(object, "metadata"), "labels"), OWNER_LABEL) === OWNER;
}

/**
 * What serves every installation in the cluster, whoever brought it: the namespace, CRDs, and what
 * remote control planes read the cluster with.
 */
export function isShared(object: JsonObject): boolean {
  const { kind, name } = nameOf(object);
  return (
    kind === "Namespace" || kind === "CustomResourceDefinition" || name.startsWith("istio-reader-")
  );
}

const SHOWN_MAX = 8;

/** Found before anything is changed: names that an installation needs and another one has. */
export async function foreignObjects(
  client: ApiClient,
  objects: readonly PlannedObject[],
): Promise<InstallFailure | undefined> {
  const found: string[] = [];
  const owners = new Set<string>();
  for (const { object } of objects) {
    if (isShared(object)) continue;
    const name = nameOf(object);
    const path = resourcePath(resourceOf(name.kind), name.namespace, name.name);
    const live = await client.send("GET", path);
    if (!live.ok || isOurs(live.value)) continue;
    found.push(describeName(name));
    owners.add(ownerOf(live.value));
  }
  if (found.length === 0) return undefined;
  const more = found.length > SHOWN_MAX ? [`and ${found.length - SHOWN_MAX} more`] : [];
  const by = [...owners].sort().join(", ");
  return {
    component: "Installation",
    messages: [
      `these objects are another installation's (${by}), and nothing was changed:`,
      // The workloads, which say most, come last in the order of objects.
      ...found.reverse().slice(0, SHOWN_MAX),
      ...more,
    ],
    hint:
      "beside Istio: --revision NAME --set profile=minimal, or gateways of other names " +
      "(docs/beside-istio.md); --force takes these objects over",
  };
}

/** Helm's release, or who last applied the object. */
function ownerOf(live: JsonObject): string {
  const metadata = objectAt(live, "metadata");
  const release = stringAt(objectAt(metadata, "annotations"), "meta.helm.sh/release-name");
  if (release !== "") return `Helm release ${release}`;
  const labels = objectAt(metadata, "labels");
  const manager = stringAt(labels, OWNER_LABEL);
  if (manager !== "") return `managed by ${manager}`;
  return stringAt(labels, "operator.istio.io/component") === "" ? "unknown" : "istioctl's";
}
