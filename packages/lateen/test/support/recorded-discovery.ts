/** A whole control plane of a cluster in this process, on free ports, in front of a recorded API server. */
import type { TestContext } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { type RunningDiscovery, startDiscovery } from "../../src/bin/discovery.ts";
import type { DiscoveryOptions } from "../../src/bin/discovery-options.ts";
import { systemClock } from "../../src/net/clock.ts";
import { ApiClient } from "../../src/sources/client/api-client.ts";
import type { RecordingApi } from "./recording-api.ts";

export async function recordedDiscovery(
  t: TestContext,
  api: RecordingApi,
  more: Partial<DiscoveryOptions> = {},
): Promise<RunningDiscovery> {
  const any = { host: "127.0.0.1", port: 0 };
  const client = new ApiClient(api);
  const running = await startDiscovery({
    source: { kind: "kube", client, systemNamespace: "istio-system", revision: "default" },
    plaintext: any,
    tls: [any],
    http: [any],
    webhooks: any,
    stateDir: undefined,
    instance: "istiod-1",
    version: "1.2.3",
    certificateLifetimeMs: undefined,
    clock: systemClock,
    random: () => 0,
    log: silentLog,
    ...more,
  });
  t.after(() => running.stop());
  return running;
}
