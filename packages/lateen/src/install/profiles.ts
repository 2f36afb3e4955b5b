/** The built-in configuration profiles (https://istio.io/latest/docs/setup/additional-setup/config-profiles/). */
import type { JsonObject } from "../api/kind.ts";
import { mergeObjects } from "./path.ts";

export const DEFAULT_PROFILE = "default";

const INGRESS_PORTS = [
  { name: "status-port", port: 15021, targetPort: 15021, protocol: "TCP" },
  { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
  { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
  { name: "tcp", port: 31400, targetPort: 31400, protocol: "TCP" },
  { name: "tls", port: 15443, targetPort: 15443, protocol: "TCP" },
];
const EGRESS_PORTS = [
  { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
  { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
];
const PROXY_RESOURCES = {
  requests: { cpu: "100m", memory: "128Mi" },
  limits: { cpu: "2000m", memory: "1024Mi" },
};
const SMALL = { requests: { cpu: "10m", memory: "40Mi" } };

/** Everything that a profile may change; what is absent is not installed, or Kubernetes' default. */
const defaults: JsonObject = {
  components: {
    base: { enabled: true },
    cni: { enabled: false },
    egressGateways: [{ enabled: false, name: "istio-egressgateway" }],
    ingressGateways: [{ enabled: true, name: "istio-ingressgateway" }],
    istiodRemote: { enabled: false },
    pilot: { enabled: true },
    ztunnel: { enabled: false },
  },
  meshConfig: { defaultConfig: { proxyMetadata: {} }, enablePrometheusMerge: true },
  values: {
    defaultRevision: "",
    gateways: {
      "istio-egressgateway": {
        autoscaleEnabled: true,
        autoscaleMax: 5,
        autoscaleMin: 1,
        cpu: { targetAverageUtilization: 80 },
        ports: EGRESS_PORTS,
        resources: PROXY_RESOURCES,
        type: "ClusterIP",
      },
      "istio-ingressgateway": {
        autoscaleEnabled: true,
        autoscaleMax: 5,
        autoscaleMin: 1,
        cpu: { targetAverageUtilization: 80 },
        ports: INGRESS_PORTS,
        resources: PROXY_RESOURCES,
        type: "LoadBalancer",
      },
    },
    global: {
      configValidation: true,
      defaultPodDisruptionBudget: { enabled: true },
      externalIstiod: false,
      imagePullPolicy: "",
      imagePullSecrets: [],
      istioNamespace: "istio-system",
      meshID: "",
      multiCluster: { clusterName: "" },
      network: "",
      proxy: {
        autoInject: "enabled",
        clusterDomain: "cluster.local",
        image: "proxyv2",
        logLevel: "warning",
        resources: PROXY_RESOURCES,
      },
      proxy_init: { image: "proxyv2" },
    },
    pilot: {
      autoscaleEnabled: true,
      autoscaleMax: 5,
      autoscaleMin: 1,
      configMap: true,
      cpu: { targetAverageUtilization: 80 },
      env: {},
      image: "pilot",
      replicaCount: 1,
      resources: { requests: { cpu: "500m", memory: "512Mi" } },
    },
    sidecarInjectorWebhook: { enableNamespacesByDefault: false, rewriteAppHTTPProbe: true },
  },
};

const noGateways = { ingressGateways: [{ enabled: false, name: "istio-ingressgateway" }] };

const overlays: Readonly<Record<string, JsonObject>> = {
  default: {},
  demo: {
    components: { egressGateways: [{ enabled: true, name: "istio-egressgateway" }] },
    meshConfig: { accessLogFile: "/dev/stdout" },
    values: {
      gateways: {
        "istio-egressgateway": { autoscaleEnabled: false, resources: small() },
        "istio-ingressgateway": { autoscaleEnabled: false, resources: small() },
      },
      global: { proxy: { resources: small() } },
      pilot: {
        autoscaleEnabled: false,
        resources: { requests: { cpu: "10m", memory: "100Mi" } },
      },
    },
  },
  empty: { components: { ...noGateways, base: { enabled: false }, pilot: { enabled: false } } },
  external: {
    components: {
      ...noGateways,
      base: { enabled: false },
      istiodRemote: { enabled: true },
      pilot: { enabled: false },
    },
    values: { global: { externalIstiod: true }, pilot: { configMap: false } },
  },
  minimal: { components: noGateways },
  openshift: {
    components: { cni: { enabled: true } },
    values: { global: { platform: "openshift" } },
  },
  preview: {},
  remote: {
    components: { ...noGateways, istiodRemote: { enabled: true }, pilot: { enabled: false } },
    values: { global: { externalIstiod: true }, pilot: { configMap: false } },
  },
};

/** The limits of the default are taken away. */
function small(): JsonObject {
  return { ...SMALL, limits: null };
}

export const PROFILES: readonly string[] = Object.keys(overlays);

/** The spec of an IstioOperator; undefined: there is no such profile. */
export function profileSpec(name: string): JsonObject | undefined {
  const overlay = Object.hasOwn(overlays, name) ? overlays[name] : undefined;
  return overlay && { ...mergeObjects(defaults, overlay), profile: name };
}
