/** Runs the pods of a local mesh. */
import { join } from "node:path";
import { DEFAULT_DOMAIN } from "../api/mesh-config/decode.ts";
import { issueToken, TOKEN_LIFETIME_MS } from "../authn/token.ts";
import type { LocalNetwork } from "../local/open-network.ts";
import { type Runtime, startRuntime } from "../local/runtime.ts";
import { systemClock } from "../net/clock.ts";
import { followLocalRoots } from "./local-roots.ts";
import type { OpenApi } from "./mesh-api.ts";
import { SYSTEM_NAMESPACE } from "./mesh-config-input.ts";
import { hiddenFromPods } from "./mesh-home.ts";
import { SERVER_NAME, type SupervisorOptions, TLS_PORT } from "./supervisor-options.ts";
import type { Undo } from "./undo.ts";

export function runPods(
  options: SupervisorOptions,
  undo: Undo,
  api: OpenApi,
  network: LocalNetwork,
  envoy: string,
): Promise<Runtime> {
  const { tokenKey } = api.trust;
  const rootCert = followLocalRoots(api.client, api.ca, options.log.scope("ca"));
  undo.push(() => rootCert.stop());
  return startRuntime({
    client: api.client,
    // What ends the network ends every process of the mesh: the control plane has to be down first.
    network: { ...network, close: async () => {} },
    stateDir: options.home.runtimeDir,
    envoy,
    discoveryServerName: SERVER_NAME,
    domain: DEFAULT_DOMAIN,
    rootCert,
    issueToken: async request => {
      const now = systemClock.now();
      const lifetimeMs = Math.min(request.expirationSeconds * 1000, TOKEN_LIFETIME_MS);
      const token = issueToken(request, tokenKey, now, lifetimeMs);
      return { token, expiresAt: now + lifetimeMs };
    },
    log: options.log,
    clock: systemClock,
    version: options.version,
    home: join(import.meta.dirname, "../../../.."),
    hidden: hiddenFromPods(options.home),
    services: [controlPlaneService(network)],
    gateways: ["ingress", "egress"],
  });
}

/** Istio's Service of the control plane, leading to the host. */
function controlPlaneService(network: LocalNetwork) {
  const port = (name: string, number: number) => ({
    name,
    port: number,
    targetPort: number,
    protocol: "TCP" as const,
  });
  return {
    namespace: SYSTEM_NAMESPACE,
    name: "istiod",
    labels: { app: "istiod", istio: "pilot" },
    address: network.hostAddress,
    clusterIp: undefined,
    ports: [port("https-dns", TLS_PORT)],
  };
}
