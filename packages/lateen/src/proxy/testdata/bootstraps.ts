/** Bootstraps that golden files hold and that the real Envoy is asked about. */
import type { BootstrapOptions } from "../bootstrap.ts";

const tls = {
  serverName: "istiod.istio-system.svc",
  sdsDirectory: "/run/secrets/lateen",
  rootCertFile: "/run/secrets/istio/root-cert.pem",
  tokenFile: "/run/secrets/tokens/istio-token",
};

const sidecar: BootstrapOptions = {
  nodeId: "sidecar~10.244.0.10~sleep-1.default~default.svc.cluster.local",
  nodeCluster: "sleep.default",
  metadata: { NAMESPACE: "default", NAME: "sleep-1", LABELS: { app: "sleep" } },
  locality: { region: "r1", zone: "z1", subZone: "" },
  discovery: { host: "10.244.255.253", port: 15012, tls },
  instanceIp: "10.244.0.10",
  appMetrics: { port: 9090, path: "/metrics" },
  probes: [
    {
      path: "/app-health/app/readyz",
      port: 8080,
      periodSeconds: 10,
      timeoutSeconds: 1,
      check: {
        kind: "http",
        request: {
          path: "/ready?deep=1",
          scheme: "HTTPS",
          host: "app.example",
          headers: [
            { name: "Host", value: "app.example" },
            { name: "x-probe", value: "100%" },
          ],
        },
      },
    },
    {
      path: "/app-health/app/livez",
      port: 8080,
      periodSeconds: 10,
      timeoutSeconds: 1,
      check: { kind: "tcp" },
    },
    {
      path: "/app-health/app/startupz",
      port: 9000,
      periodSeconds: 2,
      timeoutSeconds: 1,
      check: { kind: "grpc", service: "echo" },
    },
  ],
};

const gateway: BootstrapOptions = {
  nodeId: "router~10.244.0.11~gw-1.istio-system~istio-system.svc.cluster.local",
  nodeCluster: "istio-ingressgateway.istio-system",
  metadata: { NAMESPACE: "istio-system", NAME: "gw-1" },
  discovery: { host: "istiod.istio-system.svc", port: 15012, tls },
  instanceIp: "10.244.0.11",
  probes: [],
};

const plaintext: BootstrapOptions = {
  ...gateway,
  discovery: { host: "127.0.0.1", port: 15010 },
  maxConnections: 1000,
};

export const sampleBootstraps = { sidecar, gateway, plaintext };
