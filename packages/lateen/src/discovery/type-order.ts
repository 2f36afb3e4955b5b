/**
 * The order in which a change goes out on one stream, so that nothing names what the client does
 * not have yet ("make before break"): clusters, their endpoints, listeners, routes. See "Eventual
 * consistency considerations" of Envoy's xDS protocol document.
 */
const prefix = "type.googleapis.com/";

export const clusterType = `${prefix}envoy.config.cluster.v3.Cluster`;
export const endpointType = `${prefix}envoy.config.endpoint.v3.ClusterLoadAssignment`;
export const listenerType = `${prefix}envoy.config.listener.v3.Listener`;
export const routeType = `${prefix}envoy.config.route.v3.RouteConfiguration`;
export const virtualHostType = `${prefix}envoy.config.route.v3.VirtualHost`;
export const secretType = `${prefix}envoy.extensions.transport_sockets.tls.v3.Secret`;

/** Secrets stand before what waits for them; other types come last. */
const order: readonly string[] = [
  clusterType,
  endpointType,
  secretType,
  listenerType,
  routeType,
  virtualHostType,
];

export function orderOf(type: string): number {
  const place = order.indexOf(type);
  return place === -1 ? order.length : place;
}

/** Types whose resources name clusters: they wait for new clusters, and old clusters for them. */
export function namesClusters(type: string): boolean {
  return type === listenerType || type === routeType || type === virtualHostType;
}

/** In the state-of-the-world form these are always sent whole; what is left out is removed. */
export function isWholeType(type: string): boolean {
  return type === clusterType || type === listenerType;
}

/**
 * Envoy takes each resource of a rejected response on its own merits for these, so that a
 * rejection says nothing about the others; for other types the rest of the response may be lost.
 */
export function appliesOneByOne(type: string): boolean {
  return type === clusterType || type === listenerType;
}
