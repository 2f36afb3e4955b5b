/** One encoded xDS resource: computed once, encoded once, sent to whoever subscribes. */

export const TypeUrl = {
  cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
  endpoint: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
  listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
  route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
  virtualHost: "type.googleapis.com/envoy.config.route.v3.VirtualHost",
  secret: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
} as const;
export type TypeUrl = (typeof TypeUrl)[keyof typeof TypeUrl];

export interface EncodedResource {
  readonly type: TypeUrl;
  readonly name: string;
  /** Content hash in hex; for a Secret made from (identity, issuer key, notAfter). */
  readonly version: string;
  /** The message itself, encoded. */
  readonly body: Uint8Array;
  /** Field `resources` of DeltaDiscoveryResponse: tag, length, Resource{name, version, Any}. */
  readonly deltaField: Uint8Array;
  /** Field `resources` of DiscoveryResponse: tag, length, Any. */
  readonly sotwField: Uint8Array;
}
