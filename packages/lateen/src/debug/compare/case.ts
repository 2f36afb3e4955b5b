/** A folder with what a mesh was told and what a reference control plane made of it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseText } from "../../sources/files/parse.ts";
import { readYamlValue } from "../../sources/yaml.ts";
import { asJson, isList, isObject, type Json, type JsonObject } from "./json.ts";
import type { Facts } from "./pattern.ts";

/** The four types that are compared, by the name of their file. */
export const RESOURCE_TYPES = {
  cds: "envoy.config.cluster.v3.Cluster",
  eds: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  lds: "envoy.config.listener.v3.Listener",
  rds: "envoy.config.route.v3.RouteConfiguration",
} as const;
export type ResourceFile = keyof typeof RESOURCE_TYPES;
export type Resources = Readonly<Record<ResourceFile, readonly JsonObject[]>>;

export interface ReferenceProxy {
  readonly name: string;
  readonly nodeId: string;
  readonly metadata: JsonObject;
  /** Canonical protobuf JSON. */
  readonly resources: Resources;
}

export interface ReferenceCase {
  readonly name: string;
  /** Kubernetes objects, raw. */
  readonly objects: readonly JsonObject[];
  /** MeshConfig, raw. */
  readonly mesh: JsonObject;
  readonly proxies: readonly ReferenceProxy[];
}

export type Loaded =
  | { readonly ok: true; readonly value: ReferenceCase }
  | { readonly ok: false; readonly message: string };

/** Reads `objects.yaml`, `mesh.yaml`, `proxies.json` and `proxies/NAME/*.json` of `directory`. */
export function loadCase(directory: string): Loaded {
  try {
    return { ok: true, value: readCase(directory) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, message: `${directory}: ${message}` };
  }
}

function readCase(directory: string): ReferenceCase {
  const read = (file: string): string => readFileSync(join(directory, file), "utf8");
  const { objects, problems } = parseText(read("objects.yaml"));
  const [problem] = problems;
  if (problem !== undefined) throw new Error(`objects.yaml:${problem.line}: ${problem.message}`);
  const proxies = record(JSON.parse(read("proxies.json")), "proxies.json");
  const folder = join(directory, "proxies");
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  return {
    name: basename(directory),
    objects: objects.map(({ object }) => object),
    mesh: existsSync(join(directory, "mesh.yaml"))
      ? record(readYamlValue(read("mesh.yaml")), "mesh.yaml")
      : {},
    proxies: names.map(name =>
      readProxy(name, record(proxies[name], `proxies.json: ${name}`), read),
    ),
  };
}

function readProxy(
  name: string,
  proxy: JsonObject,
  read: (file: string) => string,
): ReferenceProxy {
  const list = (type: ResourceFile): JsonObject[] => {
    const file = join("proxies", name, `${type}.json`);
    const value = asJson(JSON.parse(read(file)));
    if (!isList(value)) throw new Error(`${file}: expected a list`);
    return value.map(each => record(each, file));
  };
  return {
    name,
    nodeId: String(proxy["node"]),
    metadata: record(proxy["metadata"], `proxies.json: ${name}.metadata`),
    resources: { cds: list("cds"), eds: list("eds"), lds: list("lds"), rds: list("rds") },
  };
}

/** What patterns of intended differences may refer to. */
export function factsOf(proxy: ReferenceProxy): Facts {
  const { metadata } = proxy;
  const labels = isObject(metadata["LABELS"]) ? metadata["LABELS"] : {};
  const [type = "", address = ""] = proxy.nodeId.split("~");
  return {
    type,
    address,
    namespace: text(metadata["NAMESPACE"]),
    workload: text(metadata["WORKLOAD_NAME"]),
    cluster: text(metadata["CLUSTER_ID"]),
    meshId: text(metadata["MESH_ID"]),
    canonicalService: text(labels["service.istio.io/canonical-name"]),
    canonicalRevision: text(labels["service.istio.io/canonical-revision"]),
  };
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

function record(value: Json | undefined, what: string): JsonObject {
  if (!isObject(value)) throw new Error(`${what}: expected an object`);
  return value;
}
