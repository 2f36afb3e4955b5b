/** What our control plane makes of a reference case: the composition behind `npm run compare`. */
import type { JsonObject as ApiJson } from "../api/kind.ts";
import { decodeMeshConfig } from "../api/mesh-config/decode.ts";
import { kindOfObject } from "../api/registry.ts";
import { CAPABILITIES_KEY, COMPACT_METRICS } from "../base/compact-metrics.ts";
import type { ReferenceCase, ReferenceProxy, Resources } from "../debug/compare/case.ts";
import { isObject, type JsonObject } from "../debug/compare/json.ts";
import { MESH_KEY, objectKey } from "../model/inputs.ts";
import { createMeshGraph, inputBindings, type MeshGraph } from "./mesh-graph.ts";
import { resourcesOf } from "./proxy-resources.ts";
import { describeProxy } from "./proxy-row.ts";

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
      // What our own bootstrap adds.
      const node = { id: nodeId, metadata: { ...metadata, [CAPABILITIES_KEY]: COMPACT_METRICS } };
      const proxy = describeProxy(node, { flavour: "upstream", vhds: "large" });
      if ("refused" in proxy) throw new Error(`${of.name}: proxy ${name}: ${proxy.refused}`);
      writer.set(inputs.proxies, name, proxy.row);
    }
  });
}

function messages(diagnostics: readonly { path: string; message: string }[]): string {
  return diagnostics.map(each => `${each.path} ${each.message}`).join("; ");
}

/** The two folders have a type each for the same JSON. */
function asApi(value: JsonObject): ApiJson {
  return value;
}
