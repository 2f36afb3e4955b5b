/** Istio's fixed ports in a pod (https://istio.io/latest/docs/ops/deployment/application-requirements/). */
export const ProxyPort = {
  admin: 15000,
  outbound: 15001,
  inbound: 15006,
  hbone: 15008,
  /** Merged metrics, application probes, quitquitquit. */
  agent: 15020,
  /** Readiness. */
  health: 15021,
  dns: 15053,
  /** Envoy's and Istio's metrics. */
  prometheus: 15090,
} as const;

/** User and group that Envoy runs as: what interception leaves alone. */
export const PROXY_UID = 1337;
/** Source address of inbound connections that Envoy makes to the application. */
export const INBOUND_PASSTHROUGH_ADDRESS = "127.0.0.6";
/** The same for IPv6; interception adds it to the loopback interface. */
export const INBOUND_PASSTHROUGH_ADDRESS_V6 = "::6";
