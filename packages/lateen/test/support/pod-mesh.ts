/** A node network with a control plane that only passes traffic through, for tests of single pods. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../src/api/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import type { Pod } from "../../src/api/pod/schema.ts";
import { assert } from "../../src/base/assert.ts";
import { silentLog } from "../../src/base/log.ts";
import { podPool } from "../../src/local/network-plan.ts";
import { createNodeNetwork, type NodeNetwork } from "../../src/local/node-network.ts";
import type { PodContext } from "../../src/local/pod-context.ts";
import type { PodEvent } from "../../src/local/pod-events.ts";
import { PodPath } from "../../src/local/pod-files.ts";
import { ProcessRecord } from "../../src/local/process-record.ts";
import { endEverything } from "../../src/local/reap.ts";
import { SYSTEM_PATH } from "../../src/local/sandbox.ts";
import { systemClock } from "../../src/net/clock.ts";
import { envoyBinary } from "./envoy.ts";
import { SERVER_NAME, TestControlPlane } from "./test-control-plane.ts";

export interface SaidOfPod extends PodEvent {
  readonly pod: string;
}

export interface PodMesh {
  /** All that was said of pods. */
  readonly events: readonly SaidOfPod[];
  readonly node: NodeNetwork;
  readonly context: PodContext;
  readonly controlPlane: TestControlPlane;
  inject(pod: JsonObject): Pod;
  stop(): Promise<void>;
}

/** Why these tests can not run here, for `skip`. */
export function needsRoot(): string | false {
  return process.getuid?.() === 0 ? false : "needs root, for network namespaces";
}

export async function startPodMesh(): Promise<PodMesh> {
  const stateDir = await mkdtemp(join(tmpdir(), "lateen-pods-"));
  const instance = randomBytes(16).toString("hex");
  const record = new ProcessRecord(join(stateDir, "processes.jsonl"), instance);
  const network = await createNodeNetwork(record, silentLog);
  assert(network.ok, JSON.stringify(network.diagnostics));
  const node = network.value;
  const events: SaidOfPod[] = [];
  const controlPlane = await TestControlPlane.start(node.plan.hostAddress);
  const context: PodContext = {
    record,
    node,
    addresses: podPool(node.plan),
    clock: systemClock,
    log: silentLog,
    stateDir,
    envoy: await envoyBinary(),
    discoveryServerName: SERVER_NAME,
    domain: "cluster.local",
    baseEnv: { PATH: `${PodPath.programs}:${SYSTEM_PATH}`, HOME: "/root" },
    home: join(import.meta.dirname, "../../../.."),
    hidden: [stateDir],
    events: { record: (pod, event) => void events.push({ pod: pod.name, ...event }), forget() {} },
    backOff: { firstMs: 400, maxMs: 2000, forgetMs: 60_000 },
    termination: { drainMs: 200 },
    rootCert: controlPlane.rootCert,
    issueToken: request => controlPlane.issueToken(request),
    data: (kind, _namespace, name) =>
      kind === "ConfigMap" && name === "words" ? { greeting: "hello" } : undefined,
  };
  return {
    node,
    context,
    controlPlane,
    events,
    inject: pod => {
      const injected = controlPlane.inject(pod, { "istio-injection": "enabled" });
      const decoded = podKind.decode(injected);
      assert(decoded.ok, JSON.stringify(decoded.diagnostics));
      return decoded.value;
    },
    stop: async () => {
      await controlPlane.close();
      await endEverything(record.content);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
