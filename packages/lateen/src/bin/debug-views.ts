/** What the debug interface shows of the graph, computed when somebody asks. */
import { compareText } from "../base/compare.ts";
import type { SyncStatus } from "../base/sync-status.ts";
import type { MetricSources } from "../debug/metrics.ts";
import type { ConfigDump } from "../debug/pages.ts";
import type { ProxyClass } from "../model/proxies.ts";
import type { Service } from "../model/types.ts";
import { revisionOf } from "../model/waiting.ts";
import { podAddresses } from "../model/workloads.ts";
import { TypeUrl } from "../xds/resource.ts";
import type { MeshGraph } from "./mesh-graph.ts";
import { resourcesOf } from "./proxy-resources.ts";

export interface KnownProxies {
  /** `namespace/name` of pods with a stream. */
  readonly connected: ReadonlySet<string>;
  /** Of this control plane: pods of another one are not missed. undefined: there is one only. */
  readonly revision: string | undefined;
  /** Why a stream of this pod was refused a moment ago. */
  readonly refused: (pod: { uid: string; ips: readonly string[] }) => string | undefined;
}

export interface DebugViews {
  readonly counts: Pick<MetricSources, "services" | "virtualServices" | "endpoints">;
  /** Sidecars that should be connected and are not. */
  missing(known: KnownProxies): readonly SyncStatus[];
  configObjects(): readonly unknown[];
  endpoints(): readonly unknown[];
  services(): readonly unknown[];
  configDump(proxy: ProxyClass | undefined): ConfigDump | undefined;
}

export function debugViews(mesh: MeshGraph): DebugViews {
  const { inputs, model } = mesh;
  return {
    counts: {
      services: () => model.services.size,
      virtualServices: () => inputs.virtualServices.size,
      endpoints: () => {
        let count = 0;
        for (const [, row] of model.endpoints.entries()) {
          for (const port of Object.values(row.byPort)) count += port.length;
        }
        return count;
      },
    },
    missing: known => missingSidecars(mesh, known),
    configObjects: () =>
      [
        inputs.gateways,
        inputs.virtualServices,
        inputs.destinationRules,
        inputs.serviceEntries,
        inputs.workloadEntries,
        inputs.sidecars,
      ].flatMap(collection => [...collection.entries()].map(([, object]) => object)),
    endpoints: () =>
      [...model.endpoints.entries()].map(([service, row]) => ({ service, ports: row.byPort })),
    services: () => [...model.services.entries()].map(([, service]) => registryEntry(service)),
    configDump: proxy => (proxy === undefined ? undefined : dumpFor(mesh, proxy)),
  };
}

const ANY_ADDRESS = "0.0.0.0";

/** The fields of Istio's model.Service that tools read (Kiali: RegistryService). */
function registryEntry(service: Service): unknown {
  const { addresses, labels, selector, name, namespace, registry } = service;
  return {
    Attributes: {
      ServiceRegistry: registry,
      Name: name,
      Namespace: namespace,
      Labels: labels,
      LabelSelectors: selector ?? {},
    },
    hostname: service.hostname,
    ports: service.ports.map(each => ({
      name: each.name,
      port: each.number,
      protocol: each.protocol,
    })),
    creationTime: service.creationTimestamp,
    defaultAddress: addresses[0] ?? ANY_ADDRESS,
    clusterVIPs: { Addresses: { Kubernetes: addresses } },
    MeshExternal: service.meshExternal,
  };
}

const SIDECAR_CONTAINER = "istio-proxy";

/** Says why: a pod that waits for its configuration should not leave anyone guessing. */
function missingSidecars(
  mesh: MeshGraph,
  { connected, revision, refused }: KnownProxies,
): SyncStatus[] {
  const found: SyncStatus[] = [];
  for (const [key, pod] of mesh.inputs.pods.entries()) {
    const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])];
    if (connected.has(key) || !containers.some(each => each.name === SIDECAR_CONTAINER)) continue;
    const phase = pod.status?.phase ?? "Pending";
    if (phase === "Succeeded" || phase === "Failed") continue;
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    if (revision !== undefined && (revisionOf(pod) ?? revision) !== revision) continue;
    const refusal = refused({ uid: pod.metadata.uid, ips: podAddresses(pod) });
    const state = refusal === undefined ? `the pod is ${phase}` : `refused: ${refusal}`;
    found.push({
      proxy: `${pod.metadata.name}.${pod.metadata.namespace}`,
      proxy_type: "sidecar",
      cluster_id: "Kubernetes",
      istio_version: "",
      types: {},
      waiting: `not connected to the control plane; ${state}`,
    });
  }
  return found.sort((a, b) => compareText(a.proxy, b.proxy));
}

const ADMIN = "type.googleapis.com/envoy.admin.v3";

/** Envoy's config dump of what a class is sent; secrets are not in it (Istio: /debug/config_dump). */
function dumpFor(mesh: MeshGraph, proxy: ProxyClass): ConfigDump {
  const { cds, lds, eds, rds } = resourcesOf(mesh, proxy);
  const any = (type: TypeUrl, message: object) => ({ "@type": type, ...message });
  const endpoints = eds.map(each => any(TypeUrl.endpoint, each));
  const configs = [
    { "@type": `${ADMIN}.BootstrapConfigDump` },
    {
      "@type": `${ADMIN}.ClustersConfigDump`,
      dynamicActiveClusters: cds.map(each => ({ cluster: any(TypeUrl.cluster, each) })),
    },
    {
      "@type": `${ADMIN}.ListenersConfigDump`,
      dynamicListeners: lds.map(each => ({
        name: each["name"],
        activeState: { listener: any(TypeUrl.listener, each) },
      })),
    },
    {
      "@type": `${ADMIN}.RoutesConfigDump`,
      dynamicRouteConfigs: rds.map(each => ({ routeConfig: any(TypeUrl.route, each) })),
    },
    {
      "@type": `${ADMIN}.EndpointsConfigDump`,
      dynamicEndpointConfigs: endpoints.map(endpointConfig => ({ endpointConfig })),
    },
  ];
  return { configs, endpoints };
}
