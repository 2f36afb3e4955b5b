/** What one more sidecar costs the control plane as it is composed, at 1,000 services of 3 clusters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { bigMesh, hostOf, namespaceOf, PORT } from "../../test/support/big-mesh.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { testPeer } from "../../test/support/protocol-client.ts";
import { silentLog } from "../base/log.ts";
import { ConnectionTable } from "../debug/connections.ts";
import { ControlPlaneMetrics } from "../debug/metrics.ts";
import { defaultStreamLimits } from "../discovery/limits.ts";
import { SnapshotCache } from "../discovery/snapshot.ts";
import { AdsStream } from "../discovery/stream.ts";
import { createGraph } from "../flow/graph.ts";
import type { Credential, TrustBundle, WorkloadCertificate } from "../model/types.ts";
import type { Rejection } from "../status/object-report.ts";
import { Rejections } from "../status/rejections.ts";
import { TypeUrl } from "../xds/resource.ts";
import { createSecretCells } from "../xds/resources/secrets.ts";
import { GraphConfigSource } from "./config-source.ts";
import { debugViews } from "./debug-views.ts";
import type { MeshGraph } from "./mesh-graph.ts";
import { createSubscriptions } from "./subscriptions.ts";

const BOUND_BYTES = 64 * 1024;
const SERVICES = 1_000;
const STREAMS = 30;

const clusters = Array.from({ length: SERVICES }, (_, i) => i).flatMap(i =>
  ["", "v1", "v2"].map(subset => `outbound|${PORT}|${subset}|${hostOf(i)}`),
);

function configSource(mesh: MeshGraph): GraphConfigSource {
  // Nobody asks for a secret here, and the mesh's own graph takes no more inputs.
  const secrets = createGraph();
  const identity = {
    certificates: secrets.input<WorkloadCertificate>("workload certificates"),
    bundles: secrets.input<TrustBundle>("trust bundles"),
    credentials: secrets.input<Credential>("credentials"),
  };
  const connections = new ConnectionTable(() => 0);
  const metrics = new ControlPlaneMetrics("test", {
    now: () => 0,
    ...debugViews(mesh).counts,
    connected: () => connections.size,
    revision: () => mesh.graph.revision,
  });
  return new GraphConfigSource({
    mesh,
    subscriptions: createSubscriptions(mesh.resources, createSecretCells(secrets, identity)),
    connections,
    metrics,
    certificates: undefined,
    rejections: new Rejections({
      ...mesh,
      rows: secrets.input<readonly Rejection[]>("rejections"),
      clock: new FakeClock(),
      log: silentLog,
    }),
    clock: new FakeClock(),
    log: silentLog,
  });
}

/** A sidecar that asks for everything, acknowledges everything and keeps nothing. */
function sidecar(source: GraphConfigSource, snapshots: SnapshotCache, index: number): AdsStream {
  const limits = defaultStreamLimits;
  const base = { form: "delta", source, peer: testPeer, limits, snapshots } as const;
  const stream = new AdsStream({ ...base, controlPlane: "", wake: () => {} }, 0);
  const namespace = namespaceOf(0);
  const id = `sidecar~10.250.0.${index}~p${index}.${namespace}~${namespace}.svc.cluster.local`;
  const ask = (typeUrl: string, names: readonly string[], responseNonce = ""): void => {
    const request = { typeUrl, resourceNamesSubscribe: [...names], responseNonce, node: { id } };
    assert.equal(stream.receive(DeltaDiscoveryRequest.encode(request).finish()), undefined);
  };
  ask(TypeUrl.cluster, []);
  ask(TypeUrl.endpoint, clusters);
  ask(TypeUrl.listener, []);
  ask(TypeUrl.route, [String(PORT)]);
  ask(TypeUrl.virtualHost, []);
  for (;;) {
    const pulled = stream.pull(() => false);
    if (pulled.kind !== "message") return stream;
    const { typeUrl, nonce } = DeltaDiscoveryResponse.decode(Buffer.concat(pulled.message.parts));
    ask(typeUrl ?? "", [], nonce);
  }
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heldBytes(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test("a stream holds less than 64 KB", () => {
  const mesh = bigMesh({ services: SERVICES, endpoints: 2, hasSubsets: () => true });
  const source = configSource(mesh);
  source.markReady();
  const snapshots = new SnapshotCache();
  const first = sidecar(source, snapshots, 0);
  const before = heldBytes();
  const streams = Array.from({ length: STREAMS }, (_, i) => sidecar(source, snapshots, i + 1));
  const each = (heldBytes() - before) / STREAMS;
  assert.ok(each < BOUND_BYTES, `${Math.round(each)} bytes a stream`);
  for (const { ownEntries } of streams) assert.equal(ownEntries, 0);
  for (const stream of [first, ...streams]) stream.close();
});
