/** What our control plane makes of a reference case: the composition behind `npm run compare`. */
import { toCanonicalJson } from "@lateen/envoy-api/registry.js";
import type { JsonObject as ApiJson } from "../api/kind.ts";
import { decodeMeshConfig } from "../api/mesh-config/decode.ts";
import { kindOfObject } from "../api/registry.ts";
import type { ReferenceCase, ReferenceProxy, Resources } from "../debug/compare/case.ts";
import { foldVirtualHosts, type NamedVirtualHost } from "../debug/compare/fold-vhds.ts";
import { asJson, isList, isObject, type Json, type JsonObject } from "../debug/compare/json.ts";
import { MESH_KEY, objectKey } from "../model/inputs.ts";
import type { ProxyClass } from "../model/proxies.ts";
import { type EncodedResource, TypeUrl } from "../xds/resource.ts";
import type { TypeResources } from "../xds/resources/family.ts";
import { viewKey } from "../xds/resources/family.ts";
import { createMeshGraph, inputBindings, type MeshGraph } from "./mesh-graph.ts";
import { proxyRow } from "./proxy-row.ts";

/** Throws, naming the object, when a case holds what our API does not take. */
export function buildCase(of: ReferenceCase): (proxy: ReferenceProxy) => Resources {
  const mesh = createMeshGraph();
  load(mesh, of);
  return proxy => {
    const row = mesh.model.proxies.rows.get(proxy.name);
    if (row === undefined) throw new Error(`${of.name}: proxy ${proxy.name} has no class`);
    return resourcesOf(mesh, row.class);
  };
}

function load(mesh: MeshGraph, of: ReferenceCase): void {
  const { graph, inputs } = mesh;
  const bindings = new Map(inputBindings(inputs).map(each => [each.kind, each]));
  const meshConfig = decodeMeshConfig(asApi(of.mesh));
  if (!meshConfig.ok) throw new Error(`${of.name}: ${messages(meshConfig.diagnostics)}`);
  const edits = of.objects.flatMap(object => {
    const kind = kindOfObject(String(object["apiVersion"]), String(object["kind"]));
    const binding = kind && bindings.get(kind);
    if (binding === undefined) return [];
    const { write, diagnostics } = binding.decode(asApi(object));
    const metadata = isObject(object["metadata"]) ? object["metadata"] : {};
    const namespace = String(metadata["namespace"] ?? "");
    const key = objectKey({ namespace, name: String(metadata["name"]) });
    if (write === undefined) throw new Error(`${of.name}: ${key}: ${messages(diagnostics)}`);
    return [{ write, key }];
  });
  graph.commit({ source: "reference case", subject: of.name }, writer => {
    writer.set(inputs.mesh, MESH_KEY, meshConfig.value);
    for (const { write, key } of edits) write(writer, key);
    for (const { name, nodeId, metadata } of of.proxies) {
      const node = { id: nodeId, metadata };
      writer.set(inputs.proxies, name, proxyRow(node, { flavour: "upstream", vhds: true }));
    }
  });
}

/** Everything a proxy subscribes to, as Envoy would ask for it. */
function resourcesOf(mesh: MeshGraph, proxy: ProxyClass): Resources {
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
    return names.value().flatMap(name => built(type, view, name));
  });
}

function named(type: TypeResources, proxy: ProxyClass, names: readonly string[]): JsonObject[] {
  const once = [...new Set(names)].sort();
  return once.flatMap(name => built(type, type.namedView(proxy, name), name).map(decoded));
}

function built(type: TypeResources, view: string, name: string): EncodedResource[] {
  const resource = type.cells.acquire(viewKey(view, name)).value();
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

function messages(diagnostics: readonly { path: string; message: string }[]): string {
  return diagnostics.map(each => `${each.path} ${each.message}`).join("; ");
}

/** The two folders have a type each for the same JSON. */
function asApi(value: JsonObject): ApiJson {
  return value;
}
