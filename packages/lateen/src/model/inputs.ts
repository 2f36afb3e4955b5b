/** What the model is made from: decoded API objects, the mesh configuration, connected proxies. */
import type { DestinationRule } from "../api/destination-rule/schema.ts";
import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { Gateway } from "../api/gateway/schema.ts";
import type { Ingress } from "../api/ingress/schema.ts";
import type { IngressClass } from "../api/ingress-class/kind.ts";
import type { ObjectMeta } from "../api/kind.ts";
import type { Namespace } from "../api/namespace/kind.ts";
import type { Node } from "../api/node/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Service } from "../api/service/schema.ts";
import type { ServiceEntry } from "../api/service-entry/schema.ts";
import type { ServiceExport } from "../api/service-export/kind.ts";
import type { ServiceImport } from "../api/service-import/kind.ts";
import type { Sidecar } from "../api/sidecar/schema.ts";
import type { VirtualService } from "../api/virtual-service/schema.ts";
import type { WorkloadEntry } from "../api/workload-entry/schema.ts";
import type { Graph, InputCollection } from "../flow/types.ts";
import type { HeldPortNames } from "./held-port-names.ts";
import type { ConnectedProxy, Credential, Mesh } from "./types.ts";

/**
 * Objects by `namespace/name` (`objectKey`), as what is held of them, the mesh by `MESH_KEY`, proxies by
 * connection.
 */
export interface ModelInputs {
  readonly mesh: InputCollection<Mesh>;
  readonly namespaces: InputCollection<Namespace>;
  readonly nodes: InputCollection<Node>;
  readonly pods: InputCollection<Pod>;
  readonly services: InputCollection<Service>;
  readonly endpointSlices: InputCollection<EndpointSlice>;
  readonly serviceEntries: InputCollection<ServiceEntry>;
  readonly workloadEntries: InputCollection<WorkloadEntry>;
  readonly virtualServices: InputCollection<VirtualService>;
  readonly destinationRules: InputCollection<DestinationRule>;
  readonly gateways: InputCollection<Gateway>;
  readonly sidecars: InputCollection<Sidecar>;
  readonly ingresses: InputCollection<Ingress>;
  readonly ingressClasses: InputCollection<IngressClass>;
  readonly serviceExports: InputCollection<ServiceExport>;
  readonly serviceImports: InputCollection<ServiceImport>;
  readonly credentials: InputCollection<Credential>;
  readonly heldPortNames: InputCollection<HeldPortNames>;
  readonly proxies: InputCollection<ConnectedProxy>;
}

export const MESH_KEY = "mesh";

export function createInputs(graph: Graph): ModelInputs {
  return {
    mesh: graph.input("mesh"),
    namespaces: graph.input("Namespace"),
    nodes: graph.input("Node"),
    pods: graph.input("Pod"),
    services: graph.input("Service"),
    endpointSlices: graph.input("EndpointSlice"),
    serviceEntries: graph.input("ServiceEntry"),
    workloadEntries: graph.input("WorkloadEntry"),
    virtualServices: graph.input("VirtualService"),
    destinationRules: graph.input("DestinationRule"),
    gateways: graph.input("Gateway"),
    sidecars: graph.input("Sidecar"),
    ingresses: graph.input("Ingress"),
    ingressClasses: graph.input("IngressClass"),
    serviceExports: graph.input("ServiceExport"),
    serviceImports: graph.input("ServiceImport"),
    credentials: graph.input("credentials"),
    heldPortNames: graph.input("held port names"),
    proxies: graph.input("proxies"),
  };
}

/** `namespace/name`; `name` alone for cluster-scoped kinds. */
export function objectKey(meta: Pick<ObjectMeta, "namespace" | "name">): string {
  return meta.namespace === "" ? meta.name : `${meta.namespace}/${meta.name}`;
}
