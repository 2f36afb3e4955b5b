import type { JsonObject } from "../api/kind.ts";
import { extension, type JsonOutObject } from "./json.ts";
import { fromPassthrough, staticCluster } from "./static-cluster.ts";

/** A probe or a lifecycle hook of the application that Envoy answers on 15020 under `path`. */
export interface AppProbe {
  /**
   * As Istio has it: `/app-health/<container>/readyz`, `livez` or `startupz`; for hooks
   * `/app-lifecycle/<container>/prestopz` or `poststartz`.
   */
  readonly path: string;
  readonly port: number;
  readonly periodSeconds: number;
  /** 0: as long as it takes. */
  readonly timeoutSeconds: number;
  readonly check: ProbeCheck;
}

export type ProbeCheck =
  | { readonly kind: "http"; readonly request: HttpProbe }
  | { readonly kind: "tcp" }
  | { readonly kind: "grpc"; readonly service: string };

export interface HttpProbe {
  readonly path: string;
  readonly scheme: "HTTP" | "HTTPS";
  readonly host: string | undefined;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

/** A probe or hook in a container, in Kubernetes' words; only what rewriting looks at. */
export interface ContainerProbe {
  readonly container: string;
  readonly type: keyof typeof PLACES;
  readonly check: ProbeCheck;
  readonly port: number;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
}

const PLACES = {
  readinessProbe: ["app-health", "readyz"],
  livenessProbe: ["app-health", "livez"],
  startupProbe: ["app-health", "startupz"],
  preStop: ["app-lifecycle", "prestopz"],
  postStart: ["app-lifecycle", "poststartz"],
} as const;
/** A TCP or gRPC answer is never older than this. */
const MAX_CHECK_INTERVAL_SECONDS = 5;

/**
 * Where the kubelet must ask instead: interception would make a TCP probe of a dead application
 * pass, and STRICT mTLS would make an HTTP probe, or hook, of a healthy one fail.
 * https://istio.io/latest/docs/ops/configuration/mesh/app-health-check/
 */
export function rewriteProbe(probe: ContainerProbe): AppProbe {
  const [root, name] = PLACES[probe.type];
  return {
    path: `/${root}/${probe.container}/${name}`,
    port: probe.port,
    periodSeconds: probe.periodSeconds,
    timeoutSeconds: probe.timeoutSeconds,
    check: probe.check,
  };
}

/** The httpGet that replaces the original check of the probe or hook. */
export function probeHttpGet(probe: AppProbe, statusPort: number): JsonObject {
  return { path: probe.path, port: statusPort, scheme: "HTTP" };
}

/** HTTP probes and hooks go through to the application. */
export function probeRoutes(probes: readonly AppProbe[]): JsonOutObject[] {
  return probes.flatMap(probe =>
    probe.check.kind === "http" ? [httpRoute(probe, probe.check.request)] : [],
  );
}

function httpRoute(probe: AppProbe, request: HttpProbe): JsonOutObject {
  return {
    match: { path: probe.path },
    route: {
      cluster: clusterName(probe),
      timeout: `${probe.timeoutSeconds}s`,
      ...(probe.timeoutSeconds === 0 ? { idle_timeout: "0s" } : {}),
      prefix_rewrite: request.path,
      ...(request.host === undefined ? {} : { host_rewrite_literal: request.host }),
    },
    request_headers_to_add: request.headers
      .filter(header => header.name.toLowerCase() !== "host")
      .map(({ name, value }) => ({
        header: { key: name, value: value.replaceAll("%", "%%") },
        append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
      })),
  };
}

/** TCP and gRPC probes are answered from Envoy's own health checks of the application. */
export function probeFilters(probes: readonly AppProbe[]): JsonOutObject[] {
  return probes
    .filter(probe => probe.check.kind !== "http")
    .map(probe =>
      extension(
        "envoy.filters.http.health_check",
        "envoy.extensions.filters.http.health_check.v3.HealthCheck",
        {
          pass_through_mode: false,
          headers: [{ name: ":path", string_match: { exact: probe.path } }],
          cluster_min_healthy_percentages: { [clusterName(probe)]: { value: 100 } },
        },
      ),
    );
}

export function probeClusters(
  probes: readonly AppProbe[],
  ip: string,
  family: "IPv4" | "IPv6",
): JsonOutObject[] {
  return probes.map(probe => ({
    ...staticCluster(clusterName(probe), ip, probe.port),
    ...fromPassthrough(family),
    ...protocolOf(probe),
  }));
}

function clusterName(probe: AppProbe): string {
  return `probe|${probe.path.split("/").slice(2).join("/")}`;
}

function protocolOf(probe: AppProbe): JsonOutObject {
  switch (probe.check.kind) {
    case "http":
      return probe.check.request.scheme === "HTTPS" ? { transport_socket: anyCertificate() } : {};
    case "tcp":
      return { health_checks: [healthCheck(probe, { tcp_health_check: {} })] };
    case "grpc": {
      const service = probe.check.service;
      // The default, the cluster's name, is no authority that every server takes.
      const health = {
        authority: "localhost",
        ...(service === "" ? {} : { service_name: service }),
      };
      const check = { grpc_health_check: health };
      return { health_checks: [healthCheck(probe, check)], ...http2() };
    }
  }
}

function healthCheck(probe: AppProbe, check: JsonOutObject): JsonOutObject {
  const interval = `${Math.min(probe.periodSeconds, MAX_CHECK_INTERVAL_SECONDS)}s`;
  return {
    timeout: `${probe.timeoutSeconds}s`,
    interval,
    // Nothing else sends traffic to this cluster.
    no_traffic_interval: interval,
    no_traffic_healthy_interval: interval,
    // An application that just came up is noticed soon.
    unhealthy_interval: "0.25s",
    healthy_threshold: 1,
    unhealthy_threshold: 1,
    ...check,
  };
}

/** Like the kubelet, an HTTPS probe does not look at the certificate. */
function anyCertificate(): JsonOutObject {
  return extension(
    "envoy.transport_sockets.tls",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
  );
}

function http2(): JsonOutObject {
  const name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  return {
    typed_extension_protocol_options: {
      [name]: {
        "@type": `type.googleapis.com/${name}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}
