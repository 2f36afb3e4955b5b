/** Istio's annotations of pods, and ours: which are carried out, and what is said of the others. */
import type { Diagnostic } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";

const SIDECAR = "sidecar.istio.io/";

/** Names under each prefix that something here reads or writes. */
const CARRIED_OUT: Readonly<Record<string, string>> = {
  [SIDECAR]:
    "bootstrapOverride componentLogLevel discoveryAddress extraStatTags inject interceptionMode " +
    "logLevel nativeSidecar proxyCPU proxyCPULimit proxyImage proxyMemory proxyMemoryLimit " +
    "rewriteAppHTTPProbers statsEvictionInterval statsHistogramBuckets statsInclusionPrefixes " +
    "statsInclusionRegexps statsInclusionSuffixes status userVolume userVolumeMount",
  "traffic.sidecar.istio.io/":
    "excludeInboundPorts excludeInterfaces excludeOutboundIPRanges excludeOutboundPorts " +
    "includeInboundPorts includeOutboundIPRanges includeOutboundPorts kubevirtInterfaces",
  "status.sidecar.istio.io/": "port",
  "readiness.status.sidecar.istio.io/": "failureThreshold initialDelaySeconds periodSeconds",
  "proxy.istio.io/": "config overrides",
  "prometheus.istio.io/": "merge-metrics",
  "inject.istio.io/": "templates",
  "traffic.istio.io/": "",
  "topology.istio.io/": "cluster network subzone",
  "ambient.istio.io/": "",
  "metrics.lateen.dev/": "tcp-bytes",
  "istio.io/": "dataplane-mode reroute-virtual-interfaces rev",
};

const NO_AMBIENT = "there is no ambient mode";

/** Name -> why it has no effect, and the values that ask for nothing else than there is. */
const NOT_CARRIED_OUT: Readonly<Record<string, readonly [why: string, ...asIs: string[]]>> = {
  [`${SIDECAR}agentLogLevel`]: ["there is no agent in the pod"],
  [`${SIDECAR}controlPlaneAuthPolicy`]: ["the control plane is dialled with TLS", "MUTUAL_TLS"],
  [`${SIDECAR}enableCoreDump`]: [
    "it would change kernel.core_pattern for all pods of the node",
    "false",
  ],
  [`${SIDECAR}proxyImageType`]: [
    `there are no image variants; ${SIDECAR}proxyImage names a whole image`,
    "default",
  ],
  [`${SIDECAR}statsCompression`]: ["pages of statistics are sent as they are", "false"],
  "readiness.status.sidecar.istio.io/applicationPorts": [
    "istio-proxy is ready when it has its configuration, whoever listens in the application",
  ],
  "traffic.istio.io/nodeSelector": ["it is for a Service, where nothing reads it either"],
  "topology.istio.io/controlPlaneClusters": [
    "it is for a Namespace, where nothing reads it either",
  ],
  "ambient.istio.io/bypass-inbound-capture": [NO_AMBIENT, "false"],
  "ambient.istio.io/dns-capture": [NO_AMBIENT, "false"],
  "ambient.istio.io/redirection": [NO_AMBIENT, "disabled"],
};

const MAX_WARNINGS = 20;

/**
 * A warning for each annotation under one of Istio's prefixes, or of ours, that has no effect on the pod's proxy.
 * https://istio.io/latest/docs/reference/config/annotations/
 */
export function annotationWarnings(annotations: Readonly<Record<string, string>>): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const [name, value] of Object.entries(annotations)) {
    const message = problemOf(name, value);
    if (message === undefined) continue;
    const path = `metadata.annotations[${name.slice(0, 100)}]`;
    found.push({ severity: "warning", path, message, reason: "NotCarriedOut" });
    if (found.length === MAX_WARNINGS) break;
  }
  return found;
}

function problemOf(name: string, value: string): string | undefined {
  const slash = name.indexOf("/") + 1;
  const prefix = name.slice(0, slash);
  const known = Object.hasOwn(CARRIED_OUT, prefix) ? CARRIED_OUT[prefix] : undefined;
  if (known === undefined) return undefined;
  const own = known.split(" ");
  if (own.includes(name.slice(slash))) return undefined;
  if (Object.hasOwn(NOT_CARRIED_OUT, name)) {
    const [why, ...asIs] = NOT_CARRIED_OUT[name] ?? [""];
    return asIs.includes(value) ? undefined : `not carried out: ${why}`;
  }
  const all = Object.keys(NOT_CARRIED_OUT).filter(each => each.startsWith(prefix));
  const near = nearest(name.slice(slash), [...own, ...all.map(each => each.slice(slash))]);
  return `nothing reads it${near === undefined ? "" : `; did you mean ${prefix}${near}?`}`;
}
