/** What there is: `/api`, `/apis`, their groups, and both at once (apidiscovery.k8s.io/v2). */
import type { JsonObject, Kind } from "../../api/kind.ts";
import { groupVersion } from "../store/stored.ts";
import { READ_VERBS, type Served, type ServedResources, WRITE_VERBS } from "./served.ts";

interface Subresource {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

const CHANGE_VERBS: readonly string[] = ["get", "patch", "update"];

function verbsOf(served: Served): readonly string[] {
  return served.writable ? [...WRITE_VERBS, ...READ_VERBS].sort() : READ_VERBS;
}

function subresourcesOf(kind: Kind, version: string): Subresource[] {
  return kind.subresources.map(name =>
    name === "scale"
      ? { name, group: "autoscaling", version: "v1", kind: "Scale", verbs: CHANGE_VERBS }
      : { name, group: kind.group, version, kind: kind.kind, verbs: CHANGE_VERBS },
  );
}

/** `/api`. */
export function coreVersions(): JsonObject {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [],
  };
}

/** `/apis`. */
export function groupList(served: ServedResources): JsonObject {
  const groups = [...served.groups()].filter(([group]) => group !== "");
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: groups.map(([group, versions]) => groupOf(group, versions)),
  };
}

/** `/apis/GROUP`. */
export function groupDocument(served: ServedResources, group: string): JsonObject | undefined {
  const versions = group === "" ? undefined : served.groups().get(group);
  if (versions === undefined) return undefined;
  return { kind: "APIGroup", apiVersion: "v1", ...groupOf(group, versions) };
}

function groupOf(group: string, versions: readonly string[]): JsonObject {
  const all = versions.map(version => ({ groupVersion: groupVersion(group, version), version }));
  return { name: group, versions: all, preferredVersion: all[0] ?? {} };
}

/** `/api/v1`, `/apis/GROUP/VERSION`. */
export function resourceList(
  served: ServedResources,
  group: string,
  version: string,
): JsonObject | undefined {
  const found = served.inGroupVersion(group, version);
  if (found.length === 0) return undefined;
  const resources = found.flatMap(one => [
    resourceOf(one),
    ...subresourcesOf(one.kind, version).map(sub => subresourceOf(one.kind, sub)),
  ]);
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: groupVersion(group, version),
    resources,
  };
}

function resourceOf(served: Served): JsonObject {
  const { kind } = served;
  return {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: verbsOf(served),
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
  };
}

function subresourceOf(kind: Kind, sub: Subresource): JsonObject {
  const foreign = sub.group === kind.group ? {} : { group: sub.group, version: sub.version };
  return {
    name: `${kind.plural}/${sub.name}`,
    singularName: "",
    namespaced: kind.namespaced,
    ...foreign,
    kind: sub.kind,
    verbs: sub.verbs,
  };
}

/** `/api` or `/apis` as `APIGroupDiscoveryList`: everything in one answer. */
export function aggregated(served: ServedResources, core: boolean): JsonObject {
  const groups = [...served.groups()].filter(([group]) => (group === "") === core);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: group === "" ? {} : { name: group },
      versions: versions.map(version => ({
        version,
        freshness: "Current",
        resources: served
          .inGroupVersion(group, version)
          .map(one => aggregatedResource(one, version)),
      })),
    })),
  };
}

function aggregatedResource(served: Served, version: string): JsonObject {
  const { kind } = served;
  const subresources = subresourcesOf(kind, version).map(sub => ({
    subresource: sub.name,
    responseKind: { group: sub.group, version: sub.version, kind: sub.kind },
    verbs: sub.verbs,
  }));
  return {
    resource: kind.plural,
    responseKind: { group: kind.group, version, kind: kind.kind },
    scope: kind.namespaced ? "Namespaced" : "Cluster",
    singularResource: kind.singular,
    verbs: verbsOf(served),
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  };
}
