/**
 * Environment variables of every sidecar and gateway Envoy. Configuration shared by many proxies
 * names them as `%ENVIRONMENT(X)%`, so that its bytes do not depend on the proxy; the injector and
 * the local runtime set them, the xDS builders refer to them. Names are Istio's where it has one.
 */
export const ProxyEnvironment = {
  namespace: "POD_NAMESPACE",
  /** Name of the Deployment (or other top owner) of the pod. */
  workload: "ISTIO_META_WORKLOAD_NAME",
  /** Label `app`, or "unknown". */
  app: "ISTIO_META_APP",
  /** Label `version`, or "unknown". */
  version: "ISTIO_META_VERSION",
  canonicalService: "CANONICAL_SERVICE",
  canonicalRevision: "CANONICAL_REVISION",
  cluster: "ISTIO_META_CLUSTER_ID",
  /**
   * Base64 of a serialized google.protobuf.Value holding a struct with NAMESPACE, WORKLOAD_NAME,
   * CLUSTER_ID, MESH_ID, OWNER and LABELS{app, version, service.istio.io/canonical-name,
   * service.istio.io/canonical-revision}: what this proxy tells its peer about itself. NAMESPACE
   * and OWNER are missing where the injector did not know the namespace.
   */
  peerMetadata: "ISTIO_META_PEER_METADATA",
} as const;
