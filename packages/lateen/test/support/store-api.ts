/** A store behind its HTTP API, and a control plane that reads from there. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { namespaceKind } from "../../src/api/namespace/kind.ts";
import { allKinds } from "../../src/api/registry.ts";
import { type Log, silentLog } from "../../src/base/log.ts";
import { type RunningDiscovery, startDiscovery } from "../../src/bin/discovery.ts";
import type { DiscoverySource } from "../../src/bin/discovery-options.ts";
import { systemClock } from "../../src/net/clock.ts";
import { ApiClient } from "../../src/sources/client/api-client.ts";
import { localTransport } from "../../src/sources/client/local-transport.ts";
import { kubeApiHandler } from "../../src/sources/kube-api/handler.ts";
import { serveKubeApi } from "../../src/sources/kube-api/server.ts";
import { openStore } from "../../src/sources/store/store.ts";
import { countedIds } from "../../src/sources/store/test-store.ts";

export interface StoreApi {
  readonly client: ApiClient;
  readonly source: DiscoverySource;
}

/** Closed when the test is over. */
export async function openApi(t: TestContext, path = ":memory:"): Promise<StoreApi> {
  const clock = systemClock;
  const opened = openStore({ path, kinds: allKinds, clock, ids: countedIds(), log: silentLog });
  assert.ok(opened.ok);
  const store = opened.value;
  const token = "secret";
  const options = { store, clock, version: "test", token };
  const server = await serveKubeApi({ ...options, host: "127.0.0.1", port: 0, log: silentLog });
  t.after(() => server.close(0));
  const client = new ApiClient(localTransport(kubeApiHandler(options), token));
  for (const name of ["default", "istio-system"])
    await client.create(namespaceKind, "", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
    });
  return {
    client,
    source: {
      kind: "api",
      server: `http://127.0.0.1:${server.port}`,
      token: () => token,
      ca: undefined,
    },
  };
}

export function discover(
  source: DiscoverySource,
  log: Log = silentLog,
  http = false,
): Promise<RunningDiscovery> {
  return startDiscovery({
    source,
    plaintext: { host: "127.0.0.1", port: 0 },
    tls: [],
    http: http ? [{ host: "127.0.0.1", port: 0 }] : [],
    stateDir: undefined,
    instance: "test",
    version: "test",
    certificateLifetimeMs: undefined,
    clock: systemClock,
    random: Math.random,
    log,
  });
}
