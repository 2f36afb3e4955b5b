/** What the model is made from: decoded API objects, the mesh configuration, connected proxies. */
import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { ObjectMeta } from "../api/kind.ts";
import type { Node } from "../api/node/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Service } from "../api/service/schema.ts";
import type { Graph, InputCollection } from "../flow/types.ts";
import type { Mesh, Proxy } from "./types.ts";

/** Objects by `namespace/name` (`objectKey`), the mesh by `MESH_KEY`, proxies by connection. */
export interface ModelInputs {
  readonly mesh: InputCollection<Mesh>;
  readonly nodes: InputCollection<Node>;
  readonly pods: InputCollection<Pod>;
  readonly services: InputCollection<Service>;
  readonly endpointSlices: InputCollection<EndpointSlice>;
  readonly proxies: InputCollection<Proxy>;
}

export const MESH_KEY = "mesh";

export function createInputs(graph: Graph): ModelInputs {
  return {
    mesh: graph.input("mesh"),
    nodes: graph.input("Node"),
    pods: graph.input("Pod"),
    services: graph.input("Service"),
    endpointSlices: graph.input("EndpointSlice"),
    proxies: graph.input("proxies"),
  };
}

/** `namespace/name`; `name` alone for cluster-scoped kinds. */
export function objectKey(meta: Pick<ObjectMeta, "namespace" | "name">): string {
  return meta.namespace === "" ? meta.name : `${meta.namespace}/${meta.name}`;
}
