/** Whatever a stranger says first: the stream ends in order, and nothing of it stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import fc from "fast-check";
import { budget } from "../../test/support/budget.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { graphSource } from "../../test/support/graph-source.ts";
import { pod, service } from "../../test/support/mesh-objects.ts";
import { defaultStreamLimits } from "../discovery/limits.ts";
import { SnapshotCache } from "../discovery/snapshot.ts";
import { AdsStream } from "../discovery/stream.ts";
import type { Peer } from "../discovery/types.ts";
import { TypeUrl } from "../xds/resource.ts";
import { defaultMesh } from "./mesh-config-input.ts";
import { createMeshGraph } from "./mesh-graph.ts";

type Form = "delta" | "sotw";

const anonymous: Peer = { transport: "plaintext", identity: undefined, claims: {}, address: "::1" };
const proven: Peer = {
  transport: "tls",
  identity: "spiffe://cluster.local/ns/edge/sa/app",
  claims: { namespace: "edge", serviceAccount: "app", podName: "a", podUid: "uid-a" },
  address: "10.0.0.1",
};

function rig() {
  const mesh = createMeshGraph();
  const { graph, inputs, model } = mesh;
  const clock = new FakeClock();
  const of = graphSource(mesh, clock);
  graph.commit({ source: "test" }, writer => {
    writer.set(inputs.mesh, "mesh", defaultMesh());
    const row = pod({ at: "edge/a" }, { ip: "10.0.0.1", account: "app" });
    writer.set(inputs.pods, "edge/a", { ...row, metadata: { ...row.metadata, uid: "uid-a" } });
    writer.set(
      inputs.services,
      "edge/web",
      service({ at: "edge/web" }, { clusterIP: "10.1.0.1", ports: [{ name: "http", port: 80 }] }),
    );
  });
  of.source.markReady();
  const left = () => ({
    rows: inputs.proxies.size,
    classed: model.proxies.rows.size,
    classes: model.connected.classes.liveCount,
    pods: model.connected.podUids.liveCount,
    accounts: mesh.gatewayAccounts.liveCount,
    connections: of.connections.size,
    connected: of.source.connectedPods().size,
    sets: of.subscriptions.liveCount,
    timers: clock.waiting,
  });
  return { ...of, mesh, clock, left };
}

type Rig = ReturnType<typeof rig>;

const NOTHING = {
  rows: 0,
  classed: 0,
  classes: 0,
  pods: 0,
  accounts: 0,
  connections: 0,
  connected: 0,
  sets: 0,
  timers: 0,
};

/** As net's AdsCall does: what throws ends the stream, and closes it. */
function play({ source, clock }: Rig, form: Form, peer: Peer, messages: readonly Uint8Array[]) {
  const limits = defaultStreamLimits;
  const base = { form, source, peer, limits, snapshots: new SnapshotCache(), controlPlane: "" };
  const stream = new AdsStream({ ...base, wake: () => {} }, 0);
  let thrown: unknown;
  try {
    for (const message of messages) {
      if (stream.receive(message) !== undefined) break;
      while (stream.pull(() => false).kind === "message");
    }
  } catch (error) {
    thrown = error;
  }
  stream.close();
  // Longer than what outsiders did is summed up, shorter than a Pod is waited for.
  clock.advance(61_000);
  return thrown;
}

/** What no text is, and what a text may do where an object is looked up. */
const odd = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "hasOwnProperty", "a|b", "a\nb", "", "*"),
  fc.string({ maxLength: 40 }),
  fc.string({ minLength: 1, maxLength: 3 }).map(text => text.repeat(2_000)),
);
const KEYS = [
  "NAMESPACE",
  "NAME",
  "SERVICE_ACCOUNT",
  "CLUSTER_ID",
  "NETWORK",
  "NODE_NAME",
  "WORKLOAD_NAME",
  "ISTIO_VERSION",
  "INTERCEPTION_MODE",
  "INSTANCE_IPS",
  "LABELS",
  "__proto__",
] as const;
const value = fc.letrec(tie => ({
  any: fc.oneof(
    { depthSize: "small" },
    odd,
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constant({ toString: 1 }),
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(odd, tie("any"), { maxKeys: 3 }),
  ),
})).any;
/** Most are let in, or nothing behind the door would be tried. */
const mostly = <T>(good: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(good), weight: 8 }, { arbitrary: other, weight: 1 });
const place = mostly("", odd);
const metadata = mostly<Record<string, unknown>>(
  {},
  fc.dictionary(fc.oneof(fc.constantFrom(...KEYS), odd), value, { maxKeys: 8 }),
);
const wrongTypes = fc.dictionary(
  fc.constantFrom(...KEYS),
  fc.oneof(fc.constant({ toString: 1 }), fc.constant([]), fc.double(), fc.constant({ a: null })),
);
const nodeId = fc.oneof(
  fc.constantFrom(
    "sidecar~10.0.0.1~a.edge~edge.svc.cluster.local",
    "router~10.0.0.1~a.edge~edge.svc.cluster.local",
    "router~::1~__proto__.constructor~x",
    "sidecar~~~",
    "sidecar~|~a|b.c|d~x",
  ),
  odd,
);
const node = fc.record({
  id: nodeId,
  cluster: odd,
  metadata: fc.oneof(metadata, wrongTypes),
  locality: fc.record({ region: place, zone: place, subZone: place }),
});
const typeUrl = fc.oneof(fc.constantFrom(...Object.values(TypeUrl)), odd);
const names = fc.array(
  fc.oneof(odd, fc.constantFrom("default", "outbound|80||web.edge.svc.cluster.local")),
  {
    maxLength: 4,
  },
);
const request = fc.record({ typeUrl, names, nonce: odd, version: odd, rejected: fc.boolean() });
const rest = fc.array(request, { maxLength: 4 });

type Said = {
  readonly typeUrl: string;
  readonly names: readonly string[];
  readonly nonce: string;
  readonly version: string;
  readonly rejected: boolean;
};

function encode(form: Form, said: Said, of?: object): Uint8Array {
  const { typeUrl: type, names: list, nonce, version, rejected } = said;
  const error = rejected ? { errorDetail: { message: version } } : {};
  const common = { typeUrl: type, responseNonce: nonce, ...error, ...(of && { node: of }) };
  if (form === "sotw")
    return DiscoveryRequest.encode({
      ...common,
      resourceNames: [...list],
      versionInfo: version,
    }).finish();
  const initialResourceVersions = Object.fromEntries(list.map(name => [name, version]));
  return DeltaDiscoveryRequest.encode({
    ...common,
    resourceNamesSubscribe: [...list],
    initialResourceVersions,
  }).finish();
}

const forms = fc.constantFrom<Form>("delta", "sotw");
const peers = fc.constantFrom(anonymous, proven);

test("any node as first message: nothing throws, and nothing is left of the stream", () => {
  const here = rig();
  fc.assert(
    fc.property(forms, peers, node, request, rest, (form, peer, of, first, more) => {
      const messages = [encode(form, first, of), ...more.map(each => encode(form, each))];
      assert.equal(play(here, form, peer, messages), undefined);
      assert.deepEqual(here.left(), NOTHING);
    }),
    budget(300),
  );
});

test("any bytes as first message: nothing throws, and nothing is left of the stream", () => {
  const here = rig();
  const bytes = fc.uint8Array({ maxLength: 200 });
  const mutated = fc
    .tuple(forms, node, request, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }))
    .map(([form, of, first, edits]) => {
      const message = Uint8Array.from(encode(form, first, of));
      for (const [at, byte] of edits) message[at % message.length] = byte;
      return message;
    });
  fc.assert(
    fc.property(
      forms,
      peers,
      fc.array(fc.oneof(bytes, mutated), { maxLength: 3 }),
      (form, peer, all) => {
        assert.equal(play(here, form, peer, all), undefined);
        assert.deepEqual(here.left(), NOTHING);
      },
    ),
    budget(300),
  );
});

test("whatever throws on the way in or later: nothing is left of the stream", () => {
  const steps: readonly ((here: Rig, fail: () => never) => void)[] = [
    ({ connections }, fail) => Object.assign(connections, { open: fail }),
    ({ connections }, fail) => Object.assign(connections, { report: fail }),
    ({ rejections }, fail) => Object.assign(rejections, { report: fail }),
    ({ rejections }, fail) => Object.assign(rejections, { closed: fail }),
    ({ subscriptions }, fail) => Object.assign(subscriptions, { named: fail }),
    ({ subscriptions }, fail) => Object.assign(subscriptions, { wildcard: fail }),
    ({ mesh }, fail) => Object.assign(mesh.gatewayAccounts, { acquire: fail }),
    ({ clock }, fail) => Object.assign(clock, { after: fail }),
  ];
  const id = "router~10.0.0.1~b.edge~edge.svc.cluster.local";
  const unseen = { ...proven, claims: { ...proven.claims, podName: "b", podUid: "uid-b" } };
  const plain = { nonce: "", version: "", rejected: false };
  for (const [i, breakIt] of steps.entries()) {
    const here = rig();
    let failed = 0;
    breakIt(here, () => {
      failed++;
      throw new Error("on purpose");
    });
    const messages = [
      encode("delta", { ...plain, typeUrl: TypeUrl.cluster, names: [] }, { id }),
      encode("delta", { ...plain, typeUrl: TypeUrl.endpoint, names: ["outbound|80||web"] }),
    ];
    assert.throws(() => {
      const thrown = play(here, "delta", unseen, messages);
      if (thrown !== undefined) throw thrown;
    }, /on purpose/);
    assert.ok(failed > 0, `step ${i}`);
    assert.deepEqual({ ...here.left(), connections: 0 }, NOTHING, `step ${i}`);
  }
});

test("what a node's metadata may weigh, and what Envoy's own extensions may", () => {
  const here = rig();
  const id = "sidecar~10.0.0.1~a.edge~edge.svc.cluster.local";
  const first = (of: object) => {
    const message = encode(
      "delta",
      { typeUrl: TypeUrl.cluster, names: [], nonce: "", version: "", rejected: false },
      { id, ...of },
    );
    const options = { form: "delta", source: here.source, peer: anonymous } as const;
    const limits = defaultStreamLimits;
    const more = { limits, snapshots: new SnapshotCache(), controlPlane: "", wake: () => {} };
    const stream = new AdsStream({ ...options, ...more }, 0);
    const end = stream.receive(message);
    stream.close();
    return end;
  };
  const extensions = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ name: `envoy.filters.http.${i}`, category: "c" }));
  assert.equal(
    first({ metadata: { ANYTHING: "x".repeat(500_000) }, extensions: extensions(2_000) }),
    undefined,
  );
  const heavy = first({ metadata: { ANYTHING: "x".repeat(600_000) } });
  assert.equal(heavy?.code, 8);
  assert.match(
    heavy?.message ?? "",
    /^node has 600\d+ bytes without its extensions, at most 524288/,
  );
  const listed = first({ extensions: extensions(30_000) });
  assert.match(listed?.message ?? "", /^node.extensions has \d+ bytes, at most 524288/);
  const labelled = first({ metadata: { LABELS: { a: "x".repeat(70_000) } } });
  assert.equal(labelled?.code, 3);
  assert.match(
    labelled?.message ?? "",
    /^node metadata LABELS.a has 70000 characters, at most 256$/,
  );
  assert.deepEqual(here.left(), NOTHING);
});
