/** What the debug interface shows of the graph, computed when somebody asks. */
import { compareText } from "../base/compare.ts";
import type { SyncStatus } from "../base/sync-status.ts";
import type { MetricSources } from "../debug/metrics.ts";
import type { ProxyClass } from "../model/proxies.ts";
import { TypeUrl } from "../xds/resource.ts";
import type { MeshGraph } from "./mesh-graph.ts";
import { resourcesOf } from "./proxy-resources.ts";

export interface DebugViews {
  readonly counts: Pick<MetricSources, "services" | "virtualServices" | "endpoints">;
  /** Sidecars that should be connected and are not. */
  missing(connected: ReadonlySet<string>): readonly SyncStatus[];
  configObjects(): readonly unknown[];
  endpoints(): readonly unknown[];
  configDump(proxy: ProxyClass | undefined): unknown;
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
    missing: connected => missingSidecars(mesh, connected),
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
    configDump: proxy => (proxy === undefined ? undefined : dumpFor(mesh, proxy)),
  };
}

const SIDECAR_CONTAINER = "istio-proxy";

/** Says why: a pod that waits for its configuration should not leave anyone guessing. */
function missingSidecars(mesh: MeshGraph, connected: ReadonlySet<string>): SyncStatus[] {
  const found: SyncStatus[] = [];
  for (const [key, pod] of mesh.inputs.pods.entries()) {
    const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])];
    if (connected.has(key) || !containers.some(each => each.name === SIDECAR_CONTAINER)) continue;
    const phase = pod.status?.phase ?? "Pending";
    if (phase === "Succeeded" || phase === "Failed") continue;
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    found.push({
      proxy: `${pod.metadata.name}.${pod.metadata.namespace}`,
      proxy_type: "sidecar",
      cluster_id: "Kubernetes",
      istio_version: "",
      types: {},
      waiting: `not connected to the control plane; the pod is ${phase}`,
    });
  }
  return found.sort((a, b) => compareText(a.proxy, b.proxy));
}

const ADMIN = "type.googleapis.com/envoy.admin.v3";

/** Envoy's config dump of what a class is sent; secrets are not in it (Istio: /debug/config_dump). */
function dumpFor(mesh: MeshGraph, proxy: ProxyClass): unknown {
  const { cds, lds, eds, rds } = resourcesOf(mesh, proxy);
  const any = (type: TypeUrl, message: object) => ({ "@type": type, ...message });
  return {
    configs: [
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
        dynamicEndpointConfigs: eds.map(each => ({ endpointConfig: any(TypeUrl.endpoint, each) })),
      },
    ],
  };
}
