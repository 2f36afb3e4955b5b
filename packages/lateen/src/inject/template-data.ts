/** What custom templates may ask, under the names that Istio's have. */
import type { Json, JsonObject } from "../api/kind.ts";
import { meshConfigSchema, proxyConfigSchema } from "../api/mesh-config/schema.ts";
import type { SchemaNode } from "../api/schema.ts";
import { PROXY_UID } from "../proxy/ports.ts";
import type { Workload } from "../proxy/sidecar-container.ts";
import { isObject, objectAt, stringAt } from "../sources/json.ts";
import { readYamlValue } from "../sources/yaml.ts";
import type { InjectorConfig } from "./config.ts";
import type { PodInjection } from "./pod-injection.ts";
import { settingsOf } from "./settings.ts";
import type { KnownFields } from "./template.ts";

const NAMES = [
  ...["DeploymentMeta", "InboundTrafficPolicyMode", "MeshConfig", "NativeSidecars", "ObjectMeta"],
  ...[
    "ProxyConfig",
    "ProxyGID",
    "ProxyImage",
    "ProxyUID",
    "Revision",
    "Spec",
    "TypeMeta",
    "Values",
  ],
];

/** Where a name that is not there is a mistake in the template. */
export const TEMPLATE_FIELDS: KnownFields = {
  "": NAMES,
  MeshConfig: fieldsOf(meshConfigSchema),
  "MeshConfig.defaultConfig": fieldsOf(proxyConfigSchema),
  ProxyConfig: fieldsOf(proxyConfigSchema),
};

function fieldsOf(schema: SchemaNode): string[] {
  return [...(schema.properties?.keys() ?? [])];
}

/** https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/, the defaults there. */
const MESH_DEFAULTS: JsonObject = {
  accessLogEncoding: "TEXT",
  connectTimeout: "10s",
  dnsRefreshRate: "60s",
  enableAutoMtls: true,
  enablePrometheusMerge: true,
  enableTracing: true,
  inboundTrafficPolicy: { mode: "PASSTHROUGH" },
  ingressClass: "istio",
  ingressControllerMode: "STRICT",
  outboundTrafficPolicy: { mode: "ALLOW_ANY" },
  protocolDetectionTimeout: "0s",
  proxyInboundListenPort: 15006,
  proxyListenPort: 15001,
  rootNamespace: "istio-system",
  trustDomain: "cluster.local",
};
const PROXY_DEFAULTS: JsonObject = {
  controlPlaneAuthPolicy: "MUTUAL_TLS",
  drainDuration: "45s",
  interceptionMode: "REDIRECT",
  proxyAdminPort: 15000,
  proxyMetadata: {},
  serviceCluster: "istio-proxy",
  statNameLength: 189,
  statusPort: 15020,
  terminationDrainDuration: "5s",
};

/** The pod is the one that was created, as Istio has it: without what was injected. */
export function templateData(request: PodInjection, workload: Workload): JsonObject {
  const { config, namespace, pod } = request;
  const metadata = objectAt(pod, "metadata");
  const [, , , apiVersion = "v1"] = workload.owner.split("/");
  const mesh = meshOf(config, request.version);
  return {
    TypeMeta: { Kind: request.workload?.kind ?? "Pod", APIVersion: apiVersion },
    DeploymentMeta: { Name: workload.name, Namespace: namespace },
    ObjectMeta: { ...metadata, namespace },
    Spec: objectAt(pod, "spec"),
    Values: config.rawValues,
    MeshConfig: mesh,
    ProxyConfig: layered(objectAt(mesh, "defaultConfig"), ownConfig(metadata)),
    Revision: config.revision,
    ProxyImage: settingsOf(config, request.version).image,
    ProxyUID: PROXY_UID,
    ProxyGID: PROXY_UID,
    InboundTrafficPolicyMode: stringAt(
      objectAt(mesh, "inboundTrafficPolicy"),
      "mode",
    ).toLowerCase(),
    NativeSidecars: request.features.nativeSidecars,
  };
}

function meshOf(config: InjectorConfig, version: string): JsonObject {
  const { discovery, meshId } = settingsOf(config, version);
  const own = { discoveryAddress: `${discovery.host}:${discovery.port}`, meshId };
  const defaults = { ...MESH_DEFAULTS, defaultConfig: { ...PROXY_DEFAULTS, ...own } };
  return layered(defaults, config.rawMesh);
}

/** The pod was refused before where this can not be read. */
function ownConfig(metadata: JsonObject): JsonObject {
  const text = stringAt(objectAt(metadata, "annotations"), "proxy.istio.io/config");
  const json = text === "" ? undefined : readYamlValue(text);
  return isObject(json) ? json : {};
}

function layered(base: JsonObject, over: JsonObject): JsonObject {
  const result: Record<string, Json> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = result[key];
    result[key] = isObject(before) && isObject(value) ? layered(before, value) : value;
  }
  return result;
}
