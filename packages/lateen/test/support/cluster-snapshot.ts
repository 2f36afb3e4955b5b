/** All objects of a cluster, and who changed which of them between two moments. */
import type { JsonObject } from "../../src/api/kind.ts";
import { compareText } from "../../src/base/compare.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import type { KubeCluster } from "./kube-cluster.ts";

/** `KIND NAMESPACE/NAME` -> the object with its managedFields. */
export type ClusterSnapshot = ReadonlyMap<string, JsonObject>;

/** Kubernetes makes these itself from others, under names by chance, and changes them all the time. */
const NOISE =
  /^(events|endpoints|endpointslices|pods|replicasets|nodes|csinodes|ipaddresses|servicecidrs)\b/;
const KUBERNETES = /^kube-|^kubelet$/;

export async function clusterSnapshot(cluster: KubeCluster): Promise<ClusterSnapshot> {
  const all = await list(cluster, NOISE);
  const isOurs = (object: JsonObject): boolean =>
    !stringAt(objectAt(object, "metadata"), "namespace").startsWith("kube-");
  return new Map([...all].filter(([, object]) => isOurs(object)));
}

/**
 * Whatever can be listed, whoever has made it; but for what Kubernetes makes of a Service or a Node some
 * time after it, and takes away some time after it.
 */
export async function everyObject(cluster: KubeCluster): Promise<ClusterSnapshot> {
  const all = await list(cluster, /^(events|componentstatuses|ipaddresses|csinodes)\b/);
  return new Map([...all].filter(([key]) => !key.startsWith("Lease kube-node-lease/")));
}

async function list(cluster: KubeCluster, leftOut: RegExp): Promise<ClusterSnapshot> {
  const listed = await cluster.must(["api-resources", "--verbs=list", "-o", "name"]);
  const resources = listed.split("\n").filter(name => name !== "" && !leftOut.test(name));
  const flags = ["-A", "-o", "json", "--show-managed-fields"];
  const text = await cluster.must(["get", resources.join(","), ...flags]);
  const objects = new Map<string, JsonObject>();
  const items: unknown = JSON.parse(text).items;
  for (const item of Array.isArray(items) ? items : []) {
    const metadata = objectAt(item, "metadata");
    const namespace = stringAt(metadata, "namespace");
    const name = [namespace, stringAt(metadata, "name")].filter(part => part !== "").join("/");
    objects.set(`${stringAt(item, "kind")} ${name}`, item);
  }
  return objects;
}

/**
 * Lines `created Kind namespace/name`, `changed ...` and `deleted ...` between two everyObject, by whomever.
 * Statuses, renewals of Leases and who is behind a Service do not count; whatever was on its way out at the
 * beginning may go.
 */
export function leftBehind(before: ClusterSnapshot, after: ClusterSnapshot): string[] {
  const lines: string[] = [];
  for (const [key, object] of after) {
    const old = before.get(key);
    if (old === undefined || uidOf(old) !== uidOf(object)) lines.push(`created ${key}`);
    else if (content(old) !== content(object)) lines.push(`changed ${key}`);
  }
  for (const [key, object] of before)
    if (!after.has(key) && !isGoing(object, before)) lines.push(`deleted ${key}`);
  return lines.sort(compareText);
}

function isGoing(object: JsonObject, all: ClusterSnapshot): boolean {
  const metadata = objectAt(object, "metadata");
  const namespace = all.get(`Namespace ${stringAt(metadata, "namespace")}`) ?? {};
  return [metadata, objectAt(namespace, "metadata")].some(each => "deletionTimestamp" in each);
}

/** Written again and again for as long as somebody lives, or is ready. */
const BEATS = /^(Lease|Node|Endpoints|EndpointSlice)$/;

function content(object: JsonObject): string {
  if (BEATS.test(stringAt(object, "kind"))) return "";
  const { managedFields, resourceVersion, generation, ...metadata } = objectAt(object, "metadata");
  return JSON.stringify({ ...object, metadata, status: undefined });
}

/**
 * Lines `created Kind namespace/name by manager`, `changed ...` and `deleted ...`, in order. What
 * Kubernetes' own controllers write (statuses of Deployments and the like) does not count.
 */
export function clusterChanges(before: ClusterSnapshot, after: ClusterSnapshot): string[] {
  const lines: string[] = [];
  for (const [key, object] of after) {
    const old = before.get(key);
    const isNew = old === undefined || uidOf(old) !== uidOf(object);
    const writers = isNew ? managers(object) : managers(object, old);
    if (writers.length === 0) continue;
    lines.push(`${isNew ? "created" : "changed"} ${key} by ${writers.join(", ")}`);
  }
  for (const key of before.keys()) if (!after.has(key)) lines.push(`deleted ${key}`);
  return lines.sort(compareText);
}

function uidOf(object: JsonObject): string {
  return stringAt(objectAt(object, "metadata"), "uid");
}

/** Who has written, but for Kubernetes; with `old`: whose entries are others than there. */
function managers(object: JsonObject, old?: JsonObject): string[] {
  const known = new Set(old === undefined ? [] : entries(old).map(each => JSON.stringify(each)));
  const gone = new Set(old === undefined ? [] : entries(old).map(nameOf));
  for (const each of entries(object)) gone.delete(nameOf(each));
  const fresh = entries(object).filter(each => !known.has(JSON.stringify(each)));
  const names = [...fresh.map(nameOf), ...[...gone].map(name => `${name} (no longer)`)];
  return [...new Set(names)].filter(name => !KUBERNETES.test(name)).sort(compareText);
}

function entries(object: JsonObject): JsonObject[] {
  return arrayAt(objectAt(object, "metadata"), "managedFields").filter(isObject);
}

function nameOf(entry: JsonObject): string {
  const part = stringAt(entry, "subresource");
  return `${stringAt(entry, "manager")}${part === "" ? "" : ` (${part})`}`;
}
