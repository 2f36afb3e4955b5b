/**
 * What istioctl asks over xDS (istioctl/pkg/multixds, pkg/adsc), by grpc-js as it does by grpc-go: `ps`,
 * `ps POD`, `x internal-debug`, and what somebody asks who should not.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import grpc from "@grpc/grpc-js";
import {
  ClustersConfigDump,
  ListenersConfigDump,
} from "@lateen/envoy-api/envoy/admin/v3/config_dump_shared.js";
import {
  DiscoveryRequest,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { ClientConfig, ConfigStatus } from "@lateen/envoy-api/envoy/service/status/v3/csds.js";
import { DeltaClient } from "../support/ads-client.ts";
import { type DebuggedMesh, debuggedMesh } from "../support/debugged-mesh.ts";
import { FakeClock } from "../support/fake-clock.ts";

const METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const PAGE = "istio.io/debug";
const CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const SDS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/** Of the account that istioctl has a token made for, without a pod. */
const OPERATOR = "istio-system/default";
/** In place of a token: on the port where nobody shows one. */
const PLAINTEXT = "";

interface Question {
  readonly typeUrl: string;
  readonly resourceNames?: string[];
}
type Answered = DiscoveryResponse | { readonly code: number; readonly details: string };

/** As pkg/adsc: a node that no pod is behind, and a nonce of its own making in the first request. */
async function ask(
  t: TestContext,
  mesh: DebuggedMesh,
  question: Question,
  token: string = OPERATOR,
): Promise<Answered> {
  const roots = Buffer.from(mesh.roots.join(""));
  const [target, credentials] =
    token === PLAINTEXT
      ? [`127.0.0.1:${mesh.plaintext}`, grpc.credentials.createInsecure()]
      : [`localhost:${mesh.tls}`, grpc.credentials.createSsl(roots)];
  const client = new grpc.Client(target, credentials);
  t.after(() => client.close());
  const metadata = new grpc.Metadata();
  if (token !== PLAINTEXT) metadata.set("authorization", `Bearer ${token}`);
  const call: grpc.ClientDuplexStream<DiscoveryRequest, DiscoveryResponse> =
    client.makeBidiStreamRequest(
      METHOD,
      request => Buffer.from(DiscoveryRequest.encode(request).finish()),
      bytes => DiscoveryResponse.decode(bytes),
      metadata,
    );
  const answer = new Promise<Answered>(done => {
    call.on("data", done);
    call.on("error", error => {
      const { code = -1, details = "" } = error as Partial<grpc.ServiceError>;
      done({ code, details });
    });
  });
  const node = {
    id: "sidecar~10.9.9.9~test-1.default~default.svc.cluster.local",
    metadata: { GENERATOR: "event", NAMESPACE: "istio-system", ISTIO_VERSION: "65536.65536.65536" },
  };
  call.write({ ...question, node, responseNonce: "2026-11-30 21:00:00 +0000 UTC m=+0.1" });
  return answer;
}

async function resources(...given: Parameters<typeof ask>) {
  const answer = await ask(...given);
  assert.ok(!("code" in answer), JSON.stringify(answer));
  return answer.resources ?? [];
}

async function refusal(
  ...given: Parameters<typeof ask>
): Promise<{ code: number; details: string }> {
  const answer = await ask(...given);
  assert.ok("code" in answer, "it was answered");
  return answer;
}

async function page(...given: Parameters<typeof ask>): Promise<string> {
  const [only, ...more] = await resources(...given);
  assert.equal(more.length, 0);
  assert.equal(only?.typeUrl, PAGE);
  return Buffer.from(only?.value ?? []).toString();
}

const named = (name: string): Question => ({ typeUrl: PAGE, resourceNames: [name] });

test("ps: every proxy with its cluster, version and the state of each type", async t => {
  const mesh = await debuggedMesh(t, { clock: new FakeClock() });
  const answer = await ask(t, mesh, { typeUrl: "istio.io/debug/syncz" });
  assert.ok(!("code" in answer), JSON.stringify(answer));
  assert.equal(JSON.parse(answer.controlPlane?.identifier ?? "").ID, "istiod-1");
  const found = (answer.resources ?? []).map(({ typeUrl, value }) => {
    assert.equal(typeUrl, "type.googleapis.com/envoy.service.status.v3.ClientConfig");
    const { node, genericXdsConfigs } = ClientConfig.decode(value ?? new Uint8Array());
    const states = (genericXdsConfigs ?? []).map(each => [each.typeUrl, each.configStatus]);
    return { id: node?.id, metadata: node?.metadata, states };
  });
  const states = [
    [CDS, ConfigStatus.SYNCED],
    ["type.googleapis.com/envoy.config.listener.v3.Listener", ConfigStatus.STALE],
  ];
  const of = (id: string, NAMESPACE: string) => ({
    id,
    metadata: { CLUSTER_ID: "Kubernetes", ISTIO_VERSION: "1.30.1", NAMESPACE },
    states,
  });
  assert.deepEqual(found, [of("spy.other", "other"), of("web.shop", "shop")]);
});

test("ps POD: what a proxy is sent, as a config dump in protobuf, without a secret", async t => {
  const mesh = await debuggedMesh(t, { clock: new FakeClock() });
  const question = { typeUrl: "istio.io/debug/config_dump", resourceNames: ["web.shop"] };
  const found = await resources(t, mesh, question);
  const types = found.map(each => each.typeUrl?.replace("type.googleapis.com/envoy.admin.v3.", ""));
  assert.deepEqual(types, [
    "BootstrapConfigDump",
    "ClustersConfigDump",
    "ListenersConfigDump",
    "RoutesConfigDump",
    "EndpointsConfigDump",
  ]);
  const [, clusters, listeners] = found.map(each => each.value ?? new Uint8Array());
  const { dynamicActiveClusters } = ClustersConfigDump.decode(clusters ?? new Uint8Array());
  assert.ok((dynamicActiveClusters ?? []).some(each => each.cluster?.typeUrl === CDS));
  const { dynamicListeners } = ListenersConfigDump.decode(listeners ?? new Uint8Array());
  assert.ok((dynamicListeners ?? []).some(each => each.name === "virtualOutbound"));
  // A replica that does not have it says so in the words by which istioctl goes on to the next one.
  const elsewhere = { ...question, resourceNames: ["nobody.shop"] };
  const [told] = await resources(t, mesh, elsewhere);
  assert.match(
    Buffer.from(told?.value ?? []).toString(),
    /^Proxy not connected to this Pilot instance\. It may be connected to another instance\./,
  );
});

test("x internal-debug: pages by name and query, in Istio's words where istioctl looks for them", async t => {
  const mesh = await debuggedMesh(t, { clock: new FakeClock() });
  const syncz = JSON.parse(await page(t, mesh, named("syncz")));
  assert.deepEqual(
    syncz.map((each: { proxy: string }) => each.proxy),
    ["spy.other", "web.shop"],
  );
  // Those of other replicas are theirs to tell of: `version` adds up what all of them say.
  const all = JSON.parse(await page(t, mesh, named("syncz?missing")));
  assert.equal(all.length, 3);
  const shop = JSON.parse(await page(t, mesh, named("syncz?namespace=shop")));
  assert.equal(shop.length, 1);
  const list = JSON.parse(await page(t, mesh, named("list")));
  for (const name of ["syncz", "config_dump", "clusterz", "list"]) assert.ok(list.includes(name));
  const [cluster] = JSON.parse(await page(t, mesh, named("clusterz")));
  assert.deepEqual(cluster, { id: "Kubernetes", secretName: "", syncStatus: "synced" });
  const edsz = JSON.parse(await page(t, mesh, named("edsz?proxyID=web.shop")));
  assert.ok(edsz.configs.length > 0);
  assert.match(await page(t, mesh, named("nowhere")), /^404 page not found/);
  assert.match(
    await page(t, mesh, named("edsz")),
    /You must provide a proxyID in the query string/,
  );
  for (const name of ["", "syncz/../../metrics", "../ready"])
    assert.equal((await refusal(t, mesh, named(name))).code, 3, name);
  const two = await refusal(t, mesh, { typeUrl: PAGE, resourceNames: ["syncz", "list"] });
  assert.match(two.details, /exactly one debug request is required/);
  assert.equal((await refusal(t, mesh, { typeUrl: `${PAGE}/everything` })).code, 3);
});

test("the account's token gets debug types and nothing else", async t => {
  const mesh = await debuggedMesh(t, { clock: new FakeClock() });
  for (const question of [
    { typeUrl: CDS },
    { typeUrl: SDS, resourceNames: ["default", "ROOTCA"] },
  ]) {
    const { code, details } = await refusal(t, mesh, question);
    assert.equal(code, 7);
    assert.match(details, /not bound to a pod/);
  }
});

test("others see their own proxies, by three pages", async t => {
  const mesh = await debuggedMesh(t, { clock: new FakeClock() });
  for (const token of ["other/app/spy", "other/default"]) {
    const denied = [
      named("syncz"),
      named("list"),
      named("configz"),
      named("config_dump/../syncz"),
      { typeUrl: "istio.io/debug/syncz" },
    ];
    for (const question of denied) assert.equal((await refusal(t, mesh, question, token)).code, 7);
  }
  const own = JSON.parse(
    await page(t, mesh, named("config_dump?proxyID=spy.other"), "other/app/spy"),
  );
  assert.ok(own.configs.length > 0);
  for (const name of ["config_dump?proxyID=web.shop", "edsz?proxyID=web", "ndsz?proxyID=shop"])
    assert.match(await page(t, mesh, named(name), "other/default"), /^Proxy not connected/, name);
  const typed = { typeUrl: "istio.io/debug/config_dump", resourceNames: ["web.shop"] };
  const [told, ...more] = await resources(t, mesh, typed, "another/app/spy");
  assert.equal(more.length, 0);
  assert.match(Buffer.from(told?.value ?? []).toString(), /^Proxy not connected/);
});

test("the plaintext port answers no question, as it knows nobody", async t => {
  const mesh = await debuggedMesh(t, { clock: new FakeClock() });
  for (const question of [
    named("syncz"),
    { typeUrl: "istio.io/debug/syncz" },
    named("edsz?proxyID=web.shop"),
  ]) {
    const { code, details } = await refusal(t, mesh, question, PLAINTEXT);
    assert.equal(code, 16);
    assert.match(details, /authentication required/);
  }
});

test("a namespace that asks again and again is told to wait, and nobody else is", async t => {
  const clock = new FakeClock();
  const mesh = await debuggedMesh(t, { clock });
  const dump = named("config_dump?proxyID=spy.other");
  for (let n = 0; n < 5; n++) await page(t, mesh, dump, "other/app/spy");
  const { code, details } = await refusal(t, mesh, dump, "other/default");
  assert.equal(code, 8);
  assert.match(details, /too many debug questions from namespace other/);
  assert.ok(
    (await page(t, mesh, named("config_dump?proxyID=web.shop"), "shop/app/web")).length > 0,
  );
  assert.ok((await page(t, mesh, named("syncz"))).length > 0);
  clock.advance(5000);
  await page(t, mesh, dump, "other/app/spy");
});

test("an answer over the limit is not sent", async t => {
  const mesh = await debuggedMesh(t, { clock: new FakeClock(), answerMaxBytes: 100 });
  const { code, details } = await refusal(t, mesh, named("config_dump?proxyID=web.shop"));
  assert.equal(code, 8);
  assert.match(details, /at most 100/);
});

test("delta streams are answered, too; an acknowledgement asks nothing; questions line up to a bound", async t => {
  const mesh = await debuggedMesh(t, { clock: new FakeClock() });
  const headers = { authorization: `Bearer ${OPERATOR}` };
  const client = new DeltaClient(`https://localhost:${mesh.tls}`, { ca: [...mesh.roots], headers });
  t.after(() => client.close());
  client.send({ typeUrl: PAGE, resourceNamesSubscribe: ["list"] });
  const first = await client.response(1);
  assert.equal(first.resources?.[0]?.name, "list");
  assert.equal(first.resources?.[0]?.resource?.typeUrl, PAGE);
  client.ack(first);
  client.send({ typeUrl: PAGE, resourceNamesSubscribe: ["clusterz"] });
  const second = await client.response(2);
  assert.equal(second.resources?.[0]?.name, "clusterz");
  for (let n = 0; n < 500; n++)
    client.send({ typeUrl: PAGE, resourceNamesSubscribe: ["config_dump?proxyID=web.shop"] });
  assert.equal((await client.status).code, 8);
});
