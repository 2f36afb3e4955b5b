/** What a proxy of a class is sent, decoded: for the comparison and for the debug interface. */
import { toCanonicalJson } from "@lateen/envoy-api/registry.js";
import type { Resources } from "../debug/compare/case.ts";
import { foldVirtualHosts, type NamedVirtualHost } from "../debug/compare/fold-vhds.ts";
import { asJson, isList, isObject, type Json, type JsonObject } from "../debug/compare/json.ts";
import type { ProxyClass } from "../model/proxies.ts";
import { type EncodedResource, TypeUrl } from "../xds/resource.ts";
import { type TypeResources, viewKey } from "../xds/resources/family.ts";
import type { MeshGraph } from "./mesh-graph.ts";

/** Everything it subscribes to, as Envoy would ask for it; virtual hosts in their routes. */
export function resourcesOf(mesh: MeshGraph, proxy: ProxyClass): Resources {
  const all = mesh.resources;
  const cds = wildcard(all[TypeUrl.cluster], proxy);
  const lds = wildcard(all[TypeUrl.listener], proxy);
  const assignments = cds.filter(each => each["type"] === "EDS").map(assignmentName);
  const routeNames = lds.flatMap(routeNamesIn);
  const eds = named(all[TypeUrl.endpoint], proxy, assignments);
  const routes = named(all[TypeUrl.route], proxy, routeNames);
  return { cds, lds, eds, rds: foldVirtualHosts(routes, virtualHosts(mesh, proxy)) };
}

function virtualHosts(mesh: MeshGraph, proxy: ProxyClass): NamedVirtualHost[] {
  return encodedWildcard(mesh.resources[TypeUrl.virtualHost], proxy).map(each => ({
    resourceName: each.name,
    virtualHost: decoded(each),
  }));
}

function wildcard(type: TypeResources, proxy: ProxyClass): JsonObject[] {
  return encodedWildcard(type, proxy).map(decoded);
}

function encodedWildcard(type: TypeResources, proxy: ProxyClass): EncodedResource[] {
  return type.wildcardViews(proxy).flatMap(view => {
    const names = type.names.acquire(view);
    const found = names.value().flatMap(name => built(type, view, name));
    names.release();
    return found;
  });
}

function named(type: TypeResources, proxy: ProxyClass, names: readonly string[]): JsonObject[] {
  const once = [...new Set(names)].sort();
  const viewOf = type.namedView(proxy);
  return once.flatMap(name => built(type, viewOf(name), name).map(decoded));
}

function built(type: TypeResources, view: string, name: string): EncodedResource[] {
  const cell = type.cells.acquire(viewKey(view, name));
  const resource = cell.value();
  cell.release();
  return resource === undefined ? [] : [resource];
}

function decoded(resource: EncodedResource): JsonObject {
  const json = asJson(toCanonicalJson(resource.type, resource.body));
  if (!isObject(json)) throw new Error(`${resource.name} is no message`);
  return json;
}

function assignmentName(cluster: JsonObject): string {
  const config = cluster["edsClusterConfig"];
  const service = isObject(config) ? config["serviceName"] : undefined;
  return String(service ?? cluster["name"]);
}

/** Names under `rds`, wherever in the listener. */
function routeNamesIn(value: Json): string[] {
  if (isList(value)) return value.flatMap(routeNamesIn);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "rds" && isObject(inner) ? [String(inner["routeConfigName"])] : routeNamesIn(inner),
  );
}
