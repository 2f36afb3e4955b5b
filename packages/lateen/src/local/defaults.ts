import { deploymentKind } from "../api/deployment/kind.ts";
import { endpointSliceKind } from "../api/endpoint-slice/kind.ts";
import type { JsonObject, Kind } from "../api/kind.ts";
import { namespaceKind } from "../api/namespace/kind.ts";
import { nodeKind } from "../api/node/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import { serviceAccountKind } from "../api/service-account/kind.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { type GatewayName, gatewayObjects } from "./gateways.ts";
import type { NetworkPlan } from "./network-plan.ts";
import { SERVICE_LABEL } from "./slice-plan.ts";
import { expectOk } from "./store-result.ts";

/** A simulated machine; pods are put on one by their nodeSelector, or on the first. */
export interface LocalNode {
  readonly name: string;
  readonly region: string;
  readonly zone: string;
}

/** Something outside of the pods that they reach as a Service, e.g. the control plane. */
export interface SystemService {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where it listens; one of the host's addresses that pods can reach. */
  readonly address: string;
  /** undefined: any. */
  readonly clusterIp: string | undefined;
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly targetPort: number;
    readonly protocol: "TCP" | "UDP";
  }[];
}

export interface DefaultsOptions {
  /** Of Lateen. */
  readonly version: string;
  readonly client: ApiClient;
  readonly plan: NetworkPlan;
  readonly nodes: readonly LocalNode[];
  readonly services: readonly SystemService[];
  readonly gateways: readonly GatewayName[];
}

const KINDS: Readonly<Record<string, Kind>> = {
  ServiceAccount: serviceAccountKind,
  Service: serviceKind,
  Deployment: deploymentKind,
};

/** Makes what every mesh has. What is there already stays as its owner has made it. */
export async function ensureDefaults(options: DefaultsOptions): Promise<void> {
  const { client, plan, nodes, gateways, version } = options;
  for (const name of ["default", "istio-system", "kube-system"])
    await ensure(client, namespaceKind, {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
    });
  for (const node of nodes) await ensureNode(client, nodeObject(node, plan, version));
  for (const service of [dnsService(plan), ...options.services])
    await ensureSystemService(client, service);
  for (const gateway of gateways)
    for (const object of gatewayObjects(gateway)) {
      const kind = KINDS[stringAt(object, "kind")];
      if (kind !== undefined) await ensure(client, kind, object);
    }
}

function dnsService(plan: NetworkPlan): SystemService {
  return {
    namespace: "kube-system",
    name: "kube-dns",
    labels: { "k8s-app": "kube-dns" },
    address: plan.hostAddress,
    clusterIp: plan.dnsAddress,
    ports: [
      { name: "dns", port: 53, targetPort: 53, protocol: "UDP" },
      { name: "dns-tcp", port: 53, targetPort: 53, protocol: "TCP" },
    ],
  };
}

function nodeObject(node: LocalNode, plan: NetworkPlan, version: string): JsonObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: node.name,
      labels: {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": node.region,
        "topology.kubernetes.io/zone": node.zone,
      },
    },
    status: {
      addresses: [{ type: "InternalIP", address: plan.gateway }],
      conditions: [{ type: "Ready", status: "True", reason: "LateenReady" }],
      // Lateen is what runs the pods of its nodes.
      nodeInfo: { kubeletVersion: version },
    },
  };
}

/** Its status is of this run, whoever has made it. */
async function ensureNode(client: ApiClient, node: JsonObject): Promise<void> {
  await ensure(client, nodeKind, node);
  const name = stringAt(objectAt(node, "metadata"), "name");
  const patch = { status: objectAt(node, "status") };
  const sub = { subresource: "status" } as const;
  expectOk(await client.patch(nodeKind, "", name, "merge", patch, sub));
}

async function ensure(client: ApiClient, kind: Kind, object: JsonObject): Promise<void> {
  const namespace = stringAt(objectAt(object, "metadata"), "namespace");
  const created = await client.create(kind, namespace, object);
  if (created.ok || created.status.code === 409) return;
  expectOk(created);
}

/** The Service, and its one EndpointSlice: both say where it is in this run. */
async function ensureSystemService(client: ApiClient, service: SystemService): Promise<void> {
  const { namespace, name, labels, clusterIp, ports } = service;
  const found = await client.get(serviceKind, namespace, name);
  const old = found.ok ? stringAt(objectAt(found.value, "spec"), "clusterIP") : "";
  if (found.ok && clusterIp !== undefined && old !== clusterIp)
    expectOk(await client.delete(serviceKind, namespace, name));
  await ensure(client, serviceKind, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name, labels },
    spec: { ...(clusterIp === undefined ? {} : { clusterIP: clusterIp }), ports },
  });
  const slice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace,
      name,
      labels: {
        ...labels,
        [SERVICE_LABEL]: name,
        "endpointslice.kubernetes.io/managed-by": "lateen",
      },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: [service.address], conditions: { ready: true } }],
    ports: ports.map(port => ({
      name: port.name,
      port: port.targetPort,
      protocol: port.protocol,
    })),
  };
  const created = await client.create(endpointSliceKind, namespace, slice);
  if (created.ok || created.status.code !== 409) {
    expectOk(created);
    return;
  }
  const patch = { endpoints: slice.endpoints, ports: slice.ports };
  expectOk(await client.patch(endpointSliceKind, namespace, name, "merge", patch));
}
