/**
 * Roots of the meshes of a cluster. Each control plane writes its own into ConfigMap `istio-ca-root-cert` of
 * the namespaces it sees; of two with different roots only one can (src/ca/root-ownership.ts).
 */

import type { JsonObject } from "../api/kind.ts";
import { decodeDiscoverySelectors } from "../api/mesh-config/discovery-selectors.ts";
import { CONTROL_PLANE_LABEL, REVISION_LABEL } from "../api/revision-label.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { isObject, objectAt, stringAt } from "../sources/json.ts";
import { NamespaceView } from "../sources/kube/namespace-view.ts";
import { CONTROL_PLANES } from "../sources/kube/other-control-planes.ts";
import { textsOf } from "../sources/selector-json.ts";
import { readYamlValue } from "../sources/yaml.ts";
import { resourceOf } from "./objects.ts";
import type { Finding } from "./precheck.ts";
import { labelOf } from "./revision-tags.ts";

export const SECRETS = { group: "", versions: ["v1"], plural: "secrets", namespaced: true };
/** The first that is there is the CA's. */
export const CA_SECRETS = ["cacerts", "istio-ca-secret"];
/** Where no control plane writes a root. */
const IGNORED = ["kube-system", "kube-public", "kube-node-lease"];

export type Root =
  /** `pem` is "" where the Secret has none. */
  | { readonly kind: "given"; readonly pem: string; readonly secret: string }
  /** The first control plane there makes one. */
  | { readonly kind: "none" }
  /** It may not be read. */
  | { readonly kind: "unknown" };

export async function rootIn(client: ApiClient, namespace: string): Promise<Root> {
  for (const name of CA_SECRETS) {
    const secret = await client.get(SECRETS, namespace, name);
    if (!secret.ok && secret.status.code === 404) continue;
    if (!secret.ok) return { kind: "unknown" };
    const data = objectAt(secret.value, "data");
    const text = stringAt(data, "root-cert.pem") || stringAt(data, "ca.crt");
    return { kind: "given", pem: Buffer.from(text, "base64").toString().trim(), secret: name };
  }
  return { kind: "none" };
}

/** `meshConfig`: of the control plane that comes; undefined: of those that are in the namespace. */
export async function rootConflicts(
  client: ApiClient,
  namespace: string,
  meshConfig?: JsonObject,
): Promise<readonly Finding[]> {
  const labelSelector = `${CONTROL_PLANES},${CONTROL_PLANE_LABEL}`;
  const list = await client.list(resourceOf("Deployment"), { labelSelector });
  const planes = list.ok ? list.value.items : [];
  const revisionsIn = (place: string): string[] =>
    planes
      .filter(each => objectAt(each, "metadata")["namespace"] === place)
      .map(each => labelOf(each, REVISION_LABEL));
  const places = new Set(planes.map(each => stringAt(objectAt(each, "metadata"), "namespace")));
  places.delete(namespace);
  if (places.size === 0) return [];
  const own = await rootIn(client, namespace);
  const configs = meshConfig === undefined ? revisionsIn(namespace) : undefined;
  const ours = configs === undefined ? [meshConfig ?? {}] : await read(client, namespace, configs);
  const found: Finding[] = [];
  for (const other of [...places].sort()) {
    const root = await rootIn(client, other);
    if (!differ(own, root)) continue;
    const theirs = await read(client, other, revisionsIn(other));
    const shared = await seenByBoth(client, [namespace, ours], [other, theirs]);
    if (shared.length > 0) found.push(conflict(namespace, other, own, shared));
  }
  return found;
}

/** Who may not read them can not compare. */
function differ(own: Root, other: Root): boolean {
  if (other.kind !== "given" || other.pem === "") return false;
  if (own.kind === "none") return true;
  return own.kind === "given" && own.pem !== "" && own.pem !== other.pem;
}

const SHOWN_MAX = 5;

function conflict(namespace: string, other: string, own: Root, shared: readonly string[]): Finding {
  const more = shared.length > SHOWN_MAX ? ` and ${shared.length - SHOWN_MAX} more` : "";
  const roots =
    own.kind === "none"
      ? `the control plane in ${namespace} would make a root of its own, another than that in ${other}`
      : `the control planes in ${namespace} and ${other} have different roots`;
  return {
    severity: "warning",
    message:
      `${roots}, and both see namespaces ${shared.slice(0, SHOWN_MAX).join(", ")}${more}: only one of them keeps ` +
      "their ConfigMap istio-ca-root-cert, and pods that the other injects there do not trust it. Give both the " +
      "same Secret cacerts, or each its own namespaces by meshConfig.discoverySelectors (docs/certificates.md)",
  };
}

/** MeshConfig of each revision. */
async function read(
  client: ApiClient,
  namespace: string,
  revisions: readonly string[],
): Promise<readonly JsonObject[]> {
  const found: JsonObject[] = [];
  for (const revision of revisions.length === 0 ? ["default"] : revisions)
    found.push(await meshConfigOf(client, namespace, revision));
  return found;
}

/** What ConfigMap `istio`, or `istio-REVISION`, says; empty where there is none. */
export async function meshConfigOf(
  client: ApiClient,
  namespace: string,
  revision: string,
): Promise<JsonObject> {
  const name = meshConfigMap(revision);
  const map = await client.get(resourceOf("ConfigMap"), namespace, name);
  const mesh = map.ok ? readYamlValue(stringAt(objectAt(map.value, "data"), "mesh")) : undefined;
  return mesh !== undefined && isObject(mesh) ? mesh : {};
}

export function meshConfigMap(revision: string): string {
  return revision === "default" || revision === "" ? "istio" : `istio-${revision}`;
}

type Mesh = readonly [namespace: string, configs: readonly JsonObject[]];

async function seenByBoth(client: ApiClient, one: Mesh, other: Mesh): Promise<readonly string[]> {
  const list = await client.list(resourceOf("Namespace"), { form: "metadata" });
  const all = (list.ok ? list.value.items : []).map(item => objectAt(item, "metadata"));
  const views = [one, other].map(([namespace, configs]) =>
    configs.map(config => {
      const view = new NamespaceView(stringAt(config, "rootNamespace") || namespace);
      view.setSelectors(decodeDiscoverySelectors(config) ?? []);
      for (const each of all)
        view.setLabels(stringAt(each, "name"), textsOf(objectAt(each, "labels")));
      return view;
    }),
  );
  return all
    .map(each => stringAt(each, "name"))
    .filter(name => ![...IGNORED, one[0], other[0]].includes(name))
    .filter(name => views.every(mesh => mesh.some(view => view.accepts(name))))
    .sort();
}
