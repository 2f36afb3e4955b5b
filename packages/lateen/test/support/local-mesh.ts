/** The local runtime over a store in memory, with a control plane that only passes traffic through. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../src/api/kind.ts";
import { allKinds } from "../../src/api/registry.ts";
import { assert } from "../../src/base/assert.ts";
import { silentLog } from "../../src/base/log.ts";
import { openLocalNetwork } from "../../src/local/open-network.ts";
import { type Runtime, type RuntimeOptions, startRuntime } from "../../src/local/runtime.ts";
import { systemClock } from "../../src/net/clock.ts";
import { ApiClient } from "../../src/sources/client/api-client.ts";
import { localTransport } from "../../src/sources/client/local-transport.ts";
import { objectAt } from "../../src/sources/json.ts";
import { kubeApiHandler } from "../../src/sources/kube-api/handler.ts";
import { succeeded } from "../../src/sources/status.ts";
import type { Admission } from "../../src/sources/store/admission.ts";
import { openStore } from "../../src/sources/store/store.ts";
import { envoyBinary } from "./envoy.ts";
import { SERVER_NAME, TestControlPlane } from "./test-control-plane.ts";

export interface LocalMesh {
  readonly client: ApiClient;
  readonly runtime: Runtime;
  readonly stateDir: string;
  readonly controlPlane: TestControlPlane;
  readonly network: RuntimeOptions["network"];
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, "../../../..");

export async function startLocalMesh(more: Partial<RuntimeOptions> = {}): Promise<LocalMesh> {
  const stateDir = more.stateDir ?? (await mkdtemp(join(tmpdir(), "lateen-local-")));
  const opened = await openLocalNetwork(stateDir, silentLog);
  assert(opened.ok, JSON.stringify(opened.diagnostics));
  const network = opened.value;
  const controlPlane = await TestControlPlane.start(network.hostAddress);
  const store = openStore({
    path: ":memory:",
    kinds: allKinds,
    clock: systemClock,
    ids: { uid: randomUUID, suffix: () => Math.random().toString(36).slice(2, 7).padEnd(5, "0") },
    log: silentLog,
    admission: [injection(controlPlane)],
  });
  assert(store.ok, JSON.stringify(store.diagnostics));
  const handler = kubeApiHandler({ store: store.value, clock: systemClock, version: "test" });
  const client = new ApiClient(localTransport(handler));
  const runtime = await startRuntime({
    client,
    network,
    stateDir,
    envoy: await envoyBinary(),
    discoveryServerName: SERVER_NAME,
    domain: "cluster.local",
    rootCert: controlPlane.rootCert,
    issueToken: request => controlPlane.issueToken(request),
    version: "0.0.0-test",
    log: silentLog,
    clock: systemClock,
    home: root,
    hidden: [stateDir],
    backOff: { firstMs: 300, maxMs: 1000, forgetMs: 60_000 },
    termination: { drainMs: 500 },
    ...more,
  });
  return {
    client,
    runtime,
    stateDir,
    controlPlane,
    network,
    stop: async () => {
      await runtime.stop();
      await network.close();
      await controlPlane.close();
      store.value.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** What the injector's webhook does on Kubernetes. */
function injection(controlPlane: TestControlPlane): Admission {
  return ({ kind, before, object, namespace, tables }) => {
    if (kind.kind !== "Pod" || before !== undefined) return succeeded(object);
    const labels: Record<string, string> = {};
    const found = objectAt(tables.get("/namespaces", "", namespace)?.json ?? {}, "metadata");
    for (const [key, value] of Object.entries(objectAt(found, "labels"))) labels[key] = `${value}`;
    return succeeded<JsonObject>(controlPlane.inject(object, labels));
  };
}
