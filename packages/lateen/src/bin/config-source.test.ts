import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { graphSource } from "../../test/support/graph-source.ts";
import {
  gateway,
  pod,
  service,
  virtualService,
  weightedRoute,
} from "../../test/support/mesh-objects.ts";
import { Redacted } from "../base/redacted.ts";
import type { ConfigSource, Connection, Node, Peer } from "../discovery/types.ts";
import type { Credential } from "../model/types.ts";
import { TypeUrl } from "../xds/resource.ts";
import { VHDS_THRESHOLD } from "../xds/resources/routes.ts";
import { defaultMesh } from "./mesh-config-input.ts";
import { createMeshGraph } from "./mesh-graph.ts";

const PODS = "pods of connected proxies";
const CLASSES = "classes of connected proxies";
const SECRET = "kubernetes://shop";

function rig() {
  const mesh = createMeshGraph();
  const { graph, inputs } = mesh;
  const gone: string[] = [];
  const clock = new FakeClock();
  const { source } = graphSource(mesh, clock, uid => gone.push(uid));
  const credential: Credential = {
    certificateChain: "chain",
    privateKey: new Redacted("key"),
    roots: "",
    revocations: "",
  };
  graph.commit({ source: "test" }, writer => {
    writer.set(inputs.mesh, "mesh", defaultMesh());
    writer.set(inputs.credentials, "edge/shop", credential);
  });
  const commitPod = (
    name: string,
    uid: string,
    more: { account?: string; labels?: Record<string, string>; gateway?: boolean } = {},
  ) => {
    const annotations = more.gateway ? { "inject.istio.io/templates": "gateway" } : {};
    const made = pod(
      { at: `edge/${name}`, labels: more.labels ?? {}, annotations },
      { ip: "10.0.0.1", account: more.account ?? "app" },
    );
    const row = { ...made, metadata: { ...made.metadata, uid } };
    return graph.commit({ source: "test" }, w => w.set(inputs.pods, `edge/${name}`, row));
  };
  const removePod = (name: string) =>
    graph.commit({ source: "test" }, w => w.delete(inputs.pods, `edge/${name}`));
  return { mesh, source, clock, gone, commitPod, removePod };
}

function peerOf(serviceAccount: string, bound: Readonly<Record<string, string>> = {}): Peer {
  return {
    transport: "tls",
    identity: `spiffe://cluster.local/ns/edge/sa/${serviceAccount}`,
    claims: { namespace: "edge", serviceAccount, ...bound },
    address: "10.0.0.1",
  };
}

function nodeOf(pod: string, type = "sidecar"): Node {
  const locality = { region: "", zone: "", subZone: "" };
  const id = `${type}~10.0.0.1~${pod}.edge~edge.svc.cluster.local`;
  return { id, cluster: "", userAgentName: "", userAgentVersion: "", metadata: {}, locality };
}

function connect(source: ConfigSource, node: Node, peer: Peer): Connection {
  const connection = source.connect(node, peer, "delta");
  assert.ok(!("refused" in connection), JSON.stringify(connection));
  return connection;
}

function hasSecret(connection: Connection): boolean {
  const set = connection.named(TypeUrl.secret, [SECRET]);
  set.retain();
  set.settle(() => false);
  const has = set.cell(SECRET)?.value() !== undefined;
  set.release();
  return has;
}

test("a change of a pod or of a class asks the streams that it is about, and no others", () => {
  const { mesh, source, commitPod } = rig();
  const heard: string[] = [];
  for (const name of ["a", "b", "c"]) {
    commitPod(name, `uid-${name}`);
    const peer = peerOf("app", { podName: name, podUid: `uid-${name}` });
    const connection = connect(source, nodeOf(name), peer);
    connection.onReclassified(() => heard.push(name));
    connection.onRevoked?.(() => assert.fail(`${name} is still there`));
  }
  const sidecar = commitPod("b", "uid-b", { labels: { app: "b" } });
  assert.equal(sidecar.dirtied.get(PODS), 1);
  assert.equal(mesh.model.connected.classes.liveCount, 3);
  const moved = commitPod("b", "uid-b", {
    labels: { app: "b", "topology.istio.io/network": "n2" },
  });
  assert.equal(moved.dirtied.get(CLASSES), 1);
  assert.deepEqual(heard, ["b"]);
});

test("every stream of a pod ends when it is gone or replaced, and holds nothing any more", () => {
  const { mesh, source, gone, commitPod, removePod } = rig();
  commitPod("a", "uid-1");
  const bound = peerOf("app", { podName: "a", podUid: "uid-1" });
  const ended: string[] = [];
  const streams = ["first", "second"].map(name => {
    const connection = connect(source, nodeOf("a"), bound);
    connection.onRevoked?.(({ refused }) => ended.push(`${name}: ${refused}`));
    return connection;
  });
  removePod("a");
  assert.deepEqual(ended.sort(), ["first: the pod is gone", "second: the pod is gone"]);
  assert.deepEqual(gone, ["uid-1", "uid-1"]);
  commitPod("a", "uid-2");
  assert.equal(ended.length, 4, "another one of its name is not it");
  for (const stream of streams) stream.close();
  const { classes, podUids } = mesh.model.connected;
  assert.deepEqual([classes.liveCount, podUids.liveCount], [0, 0]);
  removePod("a");
  assert.equal(ended.length, 4);
});

test("a pod that is seen only after its stream may come, and may not be another", () => {
  const { source, commitPod, removePod } = rig();
  const ended: string[] = [];
  const open = (podUid: string) =>
    connect(source, nodeOf("a"), peerOf("app", { podName: "a", podUid })).onRevoked?.(() =>
      ended.push(podUid),
    );
  open("uid-1");
  open("uid-2");
  commitPod("a", "uid-1");
  assert.deepEqual(ended, ["uid-2"]);
  removePod("a");
  assert.ok(ended.includes("uid-1"));
});

test("a stream whose Pod never comes into view shows its token again after a bounded time", () => {
  const { source, clock, commitPod, gone } = rig();
  const ended: string[] = [];
  const open = (podName: string) => {
    const peer = peerOf("app", { podName, podUid: `uid-${podName}` });
    const connection = connect(source, nodeOf(podName), peer);
    connection.onRevoked?.(({ refused, code }) => ended.push(`${podName} ${code}: ${refused}`));
    return connection;
  };
  for (const name of ["unseen", "late"]) open(name);
  open("closed").close();
  clock.advance(200_000);
  commitPod("late", "uid-late");
  clock.advance(99_000);
  assert.deepEqual(ended, []);
  clock.advance(1_000);
  assert.equal(ended.length, 1);
  assert.match(ended[0] ?? "", /^unseen 14: Pod edge\/unseen has not come into view/);
  assert.deepEqual(gone, [], "what is known of the token stays");
  open("unseen");
  clock.advance(3_600_000);
  assert.equal(ended.length, 2, "it may come again");
  assert.equal(clock.waiting, 0);
});

test("a certificate opens no gateway's Secrets for a workload of another service account", () => {
  const { source, commitPod } = rig();
  const claimed = nodeOf("gw", "router");
  const thief = connect(source, claimed, peerOf("app"));
  commitPod("gw", "uid-gw", { account: "gateway", gateway: true });
  assert.equal(hasSecret(thief), false, "the Pod came after the stream");
  assert.ok("refused" in source.connect(claimed, peerOf("app"), "delta"));
  assert.equal(hasSecret(connect(source, claimed, peerOf("gateway"))), true);
});

test("a stream by certificate ends with the pod that it has claimed, too", () => {
  const { source, clock, commitPod, removePod, gone } = rig();
  const ended: string[] = [];
  const open = (pod: string) =>
    connect(source, nodeOf(pod), peerOf("app")).onRevoked?.(({ refused }) =>
      ended.push(`${pod}: ${refused}`),
    );
  commitPod("a", "uid-1");
  open("a");
  removePod("a");
  assert.deepEqual(ended.splice(0), ["a: the pod is gone"]);
  open("late");
  commitPod("late", "uid-2");
  assert.deepEqual(ended, []);
  commitPod("late", "uid-3");
  assert.deepEqual(ended.splice(0), ["late: the pod is gone"]);
  open("never");
  clock.advance(3_600_000);
  assert.match(ended.join(), /^never: Pod edge\/never has not come into view/);
  assert.deepEqual(gone, []);
});

test("who stopped waiting for readiness is not called, and not held", () => {
  const { source } = rig();
  const called: string[] = [];
  const forget = source.onReady(() => called.push("left"));
  source.onReady(() => called.push("stayed"));
  forget();
  assert.equal(source.waiting, 1);
  source.markReady();
  assert.deepEqual([called, source.waiting], [["stayed"], 0]);
});

test("a gateway whose Pod is seen only after it asked for Secrets gets them, until it is none", () => {
  const { mesh, source, commitPod } = rig();
  const gateway = connect(source, nodeOf("gw", "router"), peerOf("gateway"));
  let set = gateway.named(TypeUrl.secret, [SECRET]);
  set.retain();
  const has = (): boolean => {
    set.settle(() => false);
    return set.cell(SECRET)?.value() !== undefined;
  };
  let asked = 0;
  gateway.onReclassified(() => {
    asked++;
    const next = gateway.named(TypeUrl.secret, [SECRET]);
    next.retain();
    set.release();
    set = next;
  });
  assert.equal(has(), false);
  const classOf = () => mesh.model.proxies.rows.get(gateway.id)?.class.key;
  const classBefore = classOf();
  commitPod("gw", "uid-gw", { account: "gateway", gateway: true });
  assert.equal(classOf(), classBefore);
  assert.deepEqual([asked, has()], [1, true]);
  commitPod("gw", "uid-gw", { account: "gateway", gateway: true });
  assert.equal(asked, 1, "nothing that counts has changed");
  commitPod("gw", "uid-gw", { account: "gateway" });
  assert.deepEqual([asked, has()], [2, false]);
  set.release();
  gateway.close();
  assert.equal(mesh.gatewayAccounts.liveCount, 0);
});

const HTTP = { name: "http", port: 80 };
const HOST = "80/web.edge.svc.cluster.local:80";

/** What a connection may have of one type, by name. */
function namesOf(connection: Connection, type: string): readonly string[] {
  const set = connection.wildcard(type);
  assert.ok(set !== undefined);
  set.retain();
  set.settle(() => false);
  const names = set.names();
  set.release();
  return names;
}

function withService(mesh: ReturnType<typeof rig>["mesh"]): void {
  const web = service({ at: "edge/web" }, { clusterIP: "10.1.0.1", ports: [HTTP] });
  mesh.graph.commit({ source: "test" }, w => w.set(mesh.inputs.services, "edge/web", web));
}

test("a proxy without routes that rejects some gets virtual hosts one at a time", () => {
  const { mesh, source } = rig();
  withService(mesh);
  const [bad, good, sotw, ready, back] = ["bad", "good", "old", "ready", "back"].map(name => {
    const connection = source.connect(
      nodeOf(name),
      peerOf("app"),
      name === "old" ? "sotw" : "delta",
    );
    assert.ok(!("refused" in connection));
    return connection;
  });
  assert.ok(bad && good && sotw && ready && back);
  ready.report({ kind: "acked", nonce: "1", revision: 1, type: TypeUrl.route });
  back.has?.(TypeUrl.route, new Map([["80", "1"]]));
  let heard = 0;
  bad.onReclassified(() => heard++);
  const nacked = { kind: "nacked", nonce: "1", revision: 1, message: "no" } as const;
  for (const each of [bad, sotw]) each.report({ ...nacked, type: TypeUrl.cluster, names: ["c"] });
  assert.deepEqual(namesOf(bad, TypeUrl.virtualHost), []);
  for (const each of [bad, sotw, ready, back])
    each.report({ ...nacked, type: TypeUrl.route, names: ["80"] });
  assert.deepEqual(namesOf(bad, TypeUrl.virtualHost), [HOST]);
  assert.deepEqual(namesOf(good, TypeUrl.virtualHost), [], "others are not touched");
  assert.deepEqual(namesOf(sotw, TypeUrl.virtualHost), [], "it can not take them so");
  for (const each of [ready, back])
    assert.deepEqual(namesOf(each, TypeUrl.virtualHost), [], "it goes on with those it has");
  assert.equal(heard, 1);
  bad.report({ ...nacked, type: TypeUrl.route, names: ["80"] });
  assert.equal(heard, 1, "once is enough");
});

test("a proxy that comes back with virtual hosts of small route configurations keeps them", () => {
  const { mesh, source } = rig();
  withService(mesh);
  const again = connect(source, nodeOf("again"), peerOf("app"));
  again.has?.(TypeUrl.virtualHost, new Map([[HOST, "1"]]));
  assert.deepEqual(namesOf(again, TypeUrl.virtualHost), [HOST]);

  const hosts = Array.from({ length: VHDS_THRESHOLD }, (_, i) =>
    service({ at: `edge/s${i}` }, { clusterIP: `10.1.1.${i}`, ports: [HTTP] }),
  );
  mesh.graph.commit({ source: "test" }, writer => {
    for (const each of hosts) writer.set(mesh.inputs.services, `edge/${each.metadata.name}`, each);
  });
  const large = connect(source, nodeOf("large"), peerOf("app"));
  large.has?.(TypeUrl.virtualHost, new Map([[HOST, "1"]]));
  assert.equal(mesh.model.proxies.rows.get(`${nodeOf("large").id}#2`)?.class.vhds, "large");
});

function reported(port: number, count: number, version = "1"): [string, string][] {
  return Array.from({ length: count }, (_, i) => [`${port}/s${i}.edge.svc:${port}`, version]);
}

test("hosts that were apart for their number do not take a proxy apart when it comes back", () => {
  const { mesh, source } = rig();
  withService(mesh);
  const back = (name: string, ...hosts: [string, string][]): Connection => {
    const connection = connect(source, nodeOf(name), peerOf("app"));
    connection.has?.(TypeUrl.virtualHost, new Map(hosts));
    return connection;
  };
  const shrunk = back("shrunk", ...reported(80, VHDS_THRESHOLD));
  assert.deepEqual(namesOf(shrunk, TypeUrl.virtualHost), [], "fewer hosts are left");
  const gone = back("gone", ...reported(9090, VHDS_THRESHOLD), ...reported(9091, 3));
  assert.deepEqual(namesOf(gone, TypeUrl.virtualHost), [], "these ports are gone");
  const unknown = reported(80, VHDS_THRESHOLD, "absent");
  const asked = back("asked", [HOST, "1"], ...unknown);
  assert.deepEqual(namesOf(asked, TypeUrl.virtualHost), [HOST], "asked for what is not there");
});

test("a gateway that comes back with virtual hosts was taken apart, however many they are", () => {
  const { mesh, source, commitPod } = rig();
  withService(mesh);
  const { gateways, virtualServices } = mesh.inputs;
  const servers = [{ port: { name: "http", number: 80, protocol: "HTTP" }, hosts: ["*"] }];
  const http = [weightedRoute("web.edge.svc.cluster.local", { "": 1 })];
  mesh.graph.commit({ source: "test" }, writer => {
    writer.set(gateways, "edge/gw", gateway({ at: "edge/gw" }, { servers }));
    for (let i = 0; i < VHDS_THRESHOLD; i++) {
      const spec = { hosts: [`s${i}.example`], gateways: ["gw"], http };
      const at = `edge/s${i}`;
      writer.set(virtualServices, at, virtualService({ at }, spec));
    }
  });
  commitPod("gw", "uid-gw", { account: "gateway", gateway: true });
  const open = () => connect(source, nodeOf("gw", "router"), peerOf("gateway"));
  const before = open();
  const message = { nonce: "1", revision: 1, message: "no", names: ["http.80"] };
  before.report({ kind: "nacked", type: TypeUrl.route, ...message });
  const held = namesOf(before, TypeUrl.virtualHost);
  assert.equal(held.length, VHDS_THRESHOLD);
  const again = open();
  assert.deepEqual(namesOf(again, TypeUrl.virtualHost), []);
  again.has?.(TypeUrl.virtualHost, new Map(held.map(name => [name, "1"])));
  assert.deepEqual(namesOf(again, TypeUrl.virtualHost), held);
});
