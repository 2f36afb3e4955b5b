import type { JsonObject } from "../api/kind.ts";
import { ProxyEnvironment } from "../base/proxy-environment.ts";
import { escapeReferences } from "./expansion.ts";
import { encodePeerMetadata } from "./peer-metadata.ts";
import type { ProxyContainerOptions } from "./sidecar-container.ts";

/** All addresses of a dual-stack pod, with commas between them. */
export const INSTANCE_IPS = "INSTANCE_IPS";

/** The env of container `istio-proxy`: what the bootstrap and shared configuration refer to. */
export function proxyEnvironment(options: ProxyContainerOptions): JsonObject[] {
  const field = (name: string, fieldPath: string): JsonObject => ({
    name,
    valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } },
  });
  const shared = sharedEnvironment(options);
  const dual = options.settings.ipFamilies.length > 1;
  const fields = [
    field("POD_NAME", "metadata.name"),
    field("POD_NAMESPACE", "metadata.namespace"),
    field("INSTANCE_IP", "status.podIP"),
    ...(dual ? [field(INSTANCE_IPS, "status.podIPs")] : []),
    field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    field("NODE_NAME", "spec.nodeName"),
  ];
  const taken = new Set(fields.map(item => item["name"]));
  // What identifies the pod is never a matter of proxyMetadata.
  const values = { ...options.proxy.config.proxyMetadata, ...shared };
  return [
    ...fields,
    ...Object.entries(values)
      .filter(([name]) => !taken.has(name))
      .map(([name, value]) => ({ name, value: escapeReferences(value, []) })),
  ];
}

/** The variables that shared configuration refers to as `%ENVIRONMENT(X)%`. */
function sharedEnvironment(options: ProxyContainerOptions): Readonly<Record<string, string>> {
  const { settings, workload, labels, pod } = options;
  const { namespace } = pod.metadata;
  const { app, version } = labels;
  return {
    [ProxyEnvironment.workload]: workload.name,
    [ProxyEnvironment.app]: app ?? "unknown",
    [ProxyEnvironment.version]: version ?? "unknown",
    [ProxyEnvironment.canonicalService]: workload.canonicalName,
    [ProxyEnvironment.canonicalRevision]: workload.canonicalRevision,
    [ProxyEnvironment.cluster]: settings.clusterId,
    [ProxyEnvironment.peerMetadata]: encodePeerMetadata({
      // Base64, in which the kubelet can put nothing: the peer then has the namespace of our SPIFFE id.
      ...(namespace === "" ? {} : { NAMESPACE: namespace, OWNER: workload.owner }),
      WORKLOAD_NAME: workload.name,
      CLUSTER_ID: settings.clusterId,
      MESH_ID: settings.meshId,
      LABELS: {
        // What is not there is "unknown" in the peer's metrics, as it is in our own.
        ...(app === undefined ? {} : { app }),
        ...(version === undefined ? {} : { version }),
        "service.istio.io/canonical-name": workload.canonicalName,
        "service.istio.io/canonical-revision": workload.canonicalRevision,
      },
    }),
  };
}
