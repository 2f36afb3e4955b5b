/** The sidecar injector's answer to a review of a Pod. */
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import type { AdmissionAnswer, AdmissionRequest } from "./admission.ts";
import type { ClusterFeatures } from "./cluster-features.ts";
import type { InjectorConfig } from "./config.ts";
import { diffJson } from "./json-patch.ts";
import { injectKubePod } from "./pod-injection.ts";

export interface Injector {
  /** As the ConfigMaps hold it now, or why it can not be used. */
  readonly config: Result<InjectorConfig>;
  readonly features: ClusterFeatures;
  readonly version: string;
}

/** Where the pod runs, as the webhook's URL says it: `/inject/cluster/NAME/net/NETWORK`. */
export interface InjectPath {
  readonly cluster: string | undefined;
  readonly network: string | undefined;
}

/** Reads what follows `/inject/`; undefined: not of that form. */
export function parseInjectPath(rest: string): InjectPath | undefined {
  const parts = rest.split("/").filter(part => part !== "");
  const found = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) {
    const [key, value] = [parts[i], parts[i + 1]];
    if ((key !== "cluster" && key !== "net") || value === undefined) return undefined;
    // A slash in a name is written as --slash--, as in Istio.
    found.set(key, value.replaceAll("--slash--", "/"));
  }
  return { cluster: found.get("cluster"), network: found.get("net") };
}

export function admitPod(
  request: AdmissionRequest,
  injector: Injector,
  path: InjectPath,
): AdmissionAnswer {
  const isPod = request.group === "" && request.resource === "pods" && request.subresource === "";
  if (!isPod || request.operation !== "CREATE") return { allowed: true };
  const { config, features, version } = injector;
  if (!config.ok)
    return {
      allowed: false,
      code: 500,
      reason: "InternalError",
      message: `the sidecar injector's configuration has errors: ${sentence(config.diagnostics)}`,
    };
  const { object: pod, namespace } = request;
  const injected = injectKubePod({
    pod,
    namespace,
    config: placed(config.value, path),
    features,
    version,
  });
  if (!injected.ok)
    return {
      allowed: false,
      code: 400,
      reason: "BadRequest",
      message: `the sidecar can not be injected: ${sentence(injected.diagnostics)}`,
    };
  const warnings = injected.warnings.map(({ path, message }) => `${path}: ${message}`);
  return { allowed: true, patch: diffJson(pod, injected.pod), warnings };
}

/** One injector may serve the pods of several Kubernetes clusters. */
function placed(config: InjectorConfig, { cluster, network }: InjectPath): InjectorConfig {
  if (cluster === undefined && network === undefined) return config;
  const { values } = config;
  const { global } = values;
  const multiCluster = {
    ...global.multiCluster,
    clusterName: cluster ?? global.multiCluster.clusterName,
  };
  return {
    ...config,
    values: { ...values, global: { ...global, multiCluster, network: network ?? global.network } },
  };
}

function sentence(diagnostics: readonly Diagnostic[]): string {
  return diagnostics
    .filter(({ severity }) => severity === "error")
    .map(({ path, message }) => (path === "" ? message : `${path}: ${message}`))
    .join("; ");
}
