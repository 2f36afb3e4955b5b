/** Short ways to write decoded objects for tests of the model. */

import { destinationRuleKind } from "../../src/api/destination-rule/kind.ts";
import type { DestinationRule } from "../../src/api/destination-rule/schema.ts";
import { type EndpointSlice, endpointSliceKind } from "../../src/api/endpoint-slice/kind.ts";
import { gatewayKind } from "../../src/api/gateway/kind.ts";
import type { Gateway } from "../../src/api/gateway/schema.ts";
import { ingressKind } from "../../src/api/ingress/kind.ts";
import type { Ingress } from "../../src/api/ingress/schema.ts";
import { type IngressClass, ingressClassKind } from "../../src/api/ingress-class/kind.ts";
import type { ApiObject, JsonObject, Kind } from "../../src/api/kind.ts";
import { type Namespace, namespaceKind } from "../../src/api/namespace/kind.ts";
import { type Node, nodeKind } from "../../src/api/node/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import type { Pod } from "../../src/api/pod/schema.ts";
import { serviceKind } from "../../src/api/service/kind.ts";
import type { Service } from "../../src/api/service/schema.ts";
import { serviceEntryKind } from "../../src/api/service-entry/kind.ts";
import type { ServiceEntry } from "../../src/api/service-entry/schema.ts";
import { type ServiceExport, serviceExportKind } from "../../src/api/service-export/kind.ts";
import { type ServiceImport, serviceImportKind } from "../../src/api/service-import/kind.ts";
import { sidecarKind } from "../../src/api/sidecar/kind.ts";
import type { Sidecar } from "../../src/api/sidecar/schema.ts";
import { virtualServiceKind } from "../../src/api/virtual-service/kind.ts";
import type { VirtualService } from "../../src/api/virtual-service/schema.ts";
import { workloadEntryKind } from "../../src/api/workload-entry/kind.ts";
import type { WorkloadEntry } from "../../src/api/workload-entry/schema.ts";
import type { ConnectedProxy, Mesh } from "../../src/model/types.ts";

/** `namespace/name`, with what metadata may say besides. */
export interface Meta {
  readonly at: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Orders objects: seconds after a fixed time. */
  readonly age?: number;
  readonly deletionTimestamp?: string;
}

function make<T extends ApiObject>(kind: Kind<T>, meta: Meta, rest: JsonObject): T {
  const [first = "", second] = meta.at.split("/");
  const [namespace, name] = second === undefined ? ["", first] : [first, second];
  const seconds = String(meta.age ?? 0).padStart(2, "0");
  const apiVersion = kind.group === "" ? "v1" : `${kind.group}/${kind.storageVersion}`;
  const decoded = kind.decode({
    apiVersion,
    kind: kind.kind,
    metadata: {
      name,
      ...(namespace === "" ? {} : { namespace }),
      labels: meta.labels ?? {},
      annotations: meta.annotations ?? {},
      creationTimestamp: `2026-01-01T00:00:${seconds}Z`,
      ...(meta.deletionTimestamp === undefined
        ? {}
        : { deletionTimestamp: meta.deletionTimestamp }),
    },
    ...rest,
  });
  if (!decoded.ok) throw new Error(`${kind.kind} ${meta.at}: ${JSON.stringify(decoded)}`);
  return decoded.value;
}

export function service(meta: Meta, spec: JsonObject): Service {
  return make(serviceKind, meta, { spec });
}

export function namespace(name: string, annotations: Meta["annotations"] = {}): Namespace {
  return make(namespaceKind, { at: name, annotations }, {});
}

export function node(name: string, region: string, zone: string): Node {
  const labels = { "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone };
  return make(nodeKind, { at: name, labels }, {});
}

export interface PodOptions {
  readonly ip: string;
  /** Its address in the other IP family. */
  readonly otherIp?: string;
  readonly account?: string;
  readonly node?: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly ready?: boolean;
  readonly phase?: string;
}

export function pod(meta: Meta, options: PodOptions): Pod {
  const ports = Object.entries(options.ports ?? {}).map(([name, containerPort]) => ({
    name,
    containerPort,
  }));
  return make(podKind, meta, {
    spec: {
      serviceAccountName: options.account ?? "default",
      ...(options.node === undefined ? {} : { nodeName: options.node }),
      containers: [{ name: "app", image: "app", command: ["app"], ports }],
    },
    status: {
      phase: options.phase ?? "Running",
      podIP: options.ip,
      podIPs: [options.ip, options.otherIp ?? ""].filter(ip => ip !== "").map(ip => ({ ip })),
      conditions: [{ type: "Ready", status: options.ready === false ? "False" : "True" }],
    },
  });
}

export interface SliceOptions {
  readonly service: string;
  readonly ports: Readonly<Record<string, number>>;
  /** Names of pods in the slice's namespace with their address and conditions. */
  readonly pods: readonly {
    readonly name: string;
    readonly ip: string;
    readonly conditions?: JsonObject;
  }[];
}

export function slice(at: string, options: SliceOptions): EndpointSlice {
  const labels = { "kubernetes.io/service-name": options.service };
  return make(
    endpointSliceKind,
    { at, labels },
    {
      addressType: options.pods.some(({ ip }) => ip.includes(":")) ? "IPv6" : "IPv4",
      ports: Object.entries(options.ports).map(([name, port]) => ({ name, port })),
      endpoints: options.pods.map(({ name, ip, conditions }) => ({
        addresses: [ip],
        conditions: conditions ?? { ready: true },
        targetRef: { kind: "Pod", name },
      })),
    },
  );
}

export function serviceEntry(meta: Meta, spec: JsonObject): ServiceEntry {
  return make(serviceEntryKind, meta, { spec });
}

export function workloadEntry(meta: Meta, spec: JsonObject): WorkloadEntry {
  return make(workloadEntryKind, meta, { spec });
}

export function virtualService(meta: Meta, spec: JsonObject): VirtualService {
  return make(virtualServiceKind, meta, { spec });
}

/** One route to weighted subsets of one host: `{ v1: 90, v2: 10 }`. */
export function weightedRoute(host: string, weights: Readonly<Record<string, number>>): JsonObject {
  return {
    route: Object.entries(weights).map(([subset, weight]) => ({
      destination: { host, ...(subset === "" ? {} : { subset }) },
      weight,
    })),
  };
}

export function destinationRule(meta: Meta, spec: JsonObject): DestinationRule {
  return make(destinationRuleKind, meta, { spec });
}

export function gateway(meta: Meta, spec: JsonObject): Gateway {
  return make(gatewayKind, meta, { spec });
}

/** Of the mesh, by its annotation, where the meta has no annotations of its own. */
export function ingress(meta: Meta, spec: JsonObject, status: JsonObject = {}): Ingress {
  const annotations = { "kubernetes.io/ingress.class": "istio" };
  return make(ingressKind, { annotations, ...meta }, { spec, status });
}

export function ingressClass(name: string, controller: string): IngressClass {
  return make(ingressClassKind, { at: name }, { spec: { controller } });
}

export function serviceExport(meta: Meta): ServiceExport {
  return make(serviceExportKind, meta, {});
}

export function serviceImport(meta: Meta, spec: JsonObject): ServiceImport {
  return make(serviceImportKind, meta, { spec });
}

export function sidecar(meta: Meta, spec: JsonObject): Sidecar {
  return make(sidecarKind, meta, { spec });
}

export const MESH: Mesh = {
  trustDomain: "cluster.local",
  rootNamespace: "istio-system",
  domain: "cluster.local",
  accessLogFile: "",
  accessLogFormat: "",
  outboundTrafficPolicy: "ALLOW_ANY",
  enableAutoMtls: true,
  meshId: "cluster.local",
  protocolDetectionTimeout: undefined,
  ingress: {
    mode: "STRICT",
    class: "istio",
    service: "istio-ingressgateway",
    selector: "ingressgateway",
  },
};

export interface ProxyOptions {
  readonly type?: ConnectedProxy["type"];
  readonly labels?: Readonly<Record<string, string>>;
  readonly ip?: string;
  /** Its address in the other IP family. */
  readonly otherIp?: string;
  readonly vhds?: ConnectedProxy["vhds"];
  readonly metrics?: ConnectedProxy["metrics"];
  readonly account?: string;
  readonly node?: string;
  /** `region/zone`. */
  readonly locality?: string;
}

/** `at` is `namespace/name` of its pod. */
export function proxy(at: string, options: ProxyOptions = {}): ConnectedProxy {
  const [namespace = "", name = ""] = at.split("/");
  const { type = "sidecar", ip = "10.0.0.1", otherIp } = options;
  const [region = "", zone = ""] = (options.locality ?? "").split("/");
  return {
    id: `${type}~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    type,
    namespace,
    name,
    ipAddresses: otherIp === undefined ? [ip] : [ip, otherIp],
    labels: options.labels ?? {},
    serviceAccount: options.account ?? "default",
    cluster: "Kubernetes",
    network: "",
    locality: { region, zone, subZone: "" },
    nodeName: options.node ?? "",
    workloadName: name,
    flavour: "upstream",
    interceptionMode: "REDIRECT",
    vhds: options.vhds ?? "none",
    metrics: options.metrics ?? "compact",
  };
}
