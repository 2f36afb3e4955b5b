/** From the installation's values to what the shared injection code takes. */
import type { ProxyOptionDefaults } from "../proxy/proxy-options.ts";
import type { ProxySettings } from "../proxy/sidecar-container.ts";
import type { DiscoveryTarget, DiscoveryTls } from "../proxy/xds-cluster.ts";
import type { InjectorConfig } from "./config.ts";
import type { InjectionValues } from "./values.ts";

/** Where the images have Envoy. */
const ENVOY = "/usr/local/bin/envoy";
const XDS_PORT = 15012;

/** Paths in a pod; volumes.ts mounts them. */
export const KubePath = {
  rootCert: "/var/run/secrets/istio",
  token: "/var/run/secrets/tokens",
  podInfo: "/etc/istio/pod",
} as const;

export function settingsOf(config: InjectorConfig, version: string): ProxySettings {
  const { values, mesh } = config;
  const { global } = values;
  return {
    discovery: ownControlPlane(config),
    command: [ENVOY],
    image: imageOf(config, global.proxy.image, version),
    version,
    domain: global.proxy.clusterDomain,
    clusterId: global.multiCluster.clusterName || "Kubernetes",
    meshId: global.meshID || mesh.defaultConfig.meshId || mesh.trustDomain,
    network: global.network,
    outlierLogPath: global.proxy.outlierLogPath,
    ipFamilies: ipFamiliesOf(config),
  };
}

/** `pilot.ipFamilies`, or Istio's own switch for both; without either, IPv4. */
function ipFamiliesOf({ values: { pilot }, mesh }: InjectorConfig): ProxySettings["ipFamilies"] {
  const families = [...new Set(pilot.ipFamilies)];
  if (families.length > 0) return families;
  const said = pilot.env[DUAL_STACK] ?? mesh.defaultConfig.proxyMetadata[DUAL_STACK];
  return String(said) === "true" ? ["IPv4", "IPv6"] : ["IPv4"];
}

const DUAL_STACK = "ISTIO_DUAL_STACK";

/** `hub/name:tag`, or the name itself where it is a whole image already. */
export function imageOf(config: InjectorConfig, name: string, version: string): string {
  if (name.includes("/")) return name;
  const { hub, tag } = config.values.global;
  return `${hub}/${name}:${tag || version}`;
}

/** The Service of this revision; ProxyConfig's `discoveryAddress` comes before it. */
function ownControlPlane({ values: { global, revision } }: InjectorConfig): DiscoveryTarget {
  const host = `istiod${revision === "" ? "" : `-${revision}`}.${global.istioNamespace}.svc`;
  const tls: DiscoveryTls = {
    serverName: host,
    sdsDirectory: KubePath.podInfo,
    rootCertFile: `${KubePath.rootCert}/root-cert.pem`,
    tokenFile: `${KubePath.token}/istio-token`,
  };
  return { host, port: XDS_PORT, tls };
}

export function defaultsOf({ values, mesh }: InjectorConfig): ProxyOptionDefaults {
  const { proxy } = values.global;
  return {
    mesh: {
      ...mesh,
      defaultConfig: { statusPort: proxy.statusPort, ...mesh.defaultConfig },
    },
    logLevel: proxy.logLevel,
    componentLogLevel: proxy.componentLogLevel,
    resources: proxy.resources,
    readiness: {
      initialDelaySeconds: proxy.readinessInitialDelaySeconds,
      periodSeconds: proxy.readinessPeriodSeconds,
      failureThreshold: proxy.readinessFailureThreshold,
    },
    rewriteProbes: values.sidecarInjectorWebhook.rewriteAppHTTPProbe,
  };
}

/** The values' interception, as if each pod had annotated it. */
export function interceptionDefaults(values: InjectionValues): Readonly<Record<string, string>> {
  const { proxy } = values.global;
  const prefix = "traffic.sidecar.istio.io/";
  return {
    [`${prefix}includeOutboundIPRanges`]: proxy.includeIPRanges,
    [`${prefix}excludeOutboundIPRanges`]: proxy.excludeIPRanges,
    [`${prefix}includeInboundPorts`]: proxy.includeInboundPorts,
    [`${prefix}excludeInboundPorts`]: proxy.excludeInboundPorts,
    [`${prefix}includeOutboundPorts`]: proxy.includeOutboundPorts,
    [`${prefix}excludeOutboundPorts`]: proxy.excludeOutboundPorts,
    [`${prefix}excludeInterfaces`]: proxy.excludeInterfaces,
  };
}
