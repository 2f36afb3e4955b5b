/**
 * istioctl's requests to a control plane of a cluster, on its ports and with its paths as they come out of a
 * port-forward (pkg/kube/client.go: `http://ADDRESS/` and a path that may begin with a slash itself), and
 * with tokens that the API server reviews.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { SotwClient } from "../support/ads-client.ts";
import { eventually } from "../support/envoy-process.ts";
import { recordedDiscovery } from "../support/recorded-discovery.ts";
import { RecordingApi } from "../support/recording-api.ts";

const CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const SDS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const EXPIRES = Math.floor(Date.now() / 1000) + 3600;

/** What the control plane's token review asks for: three parts, of which the second says when it ends. */
function token(of: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part({ exp: EXPIRES, of })}.c2ln`;
}

/** By TokenRequest for an account (`NAMESPACE/ACCOUNT`), with a third word of a pod; others are bad. */
function review(shown: string): JsonObject {
  const { of } = JSON.parse(Buffer.from(shown.split(".")[1] ?? "", "base64url").toString("utf8"));
  const [namespace, account, pod] = String(of).split("/");
  if (account === undefined) return { authenticated: false };
  const key = "authentication.kubernetes.io/pod";
  const extra = pod === undefined ? {} : { [`${key}-name`]: [pod], [`${key}-uid`]: [`uid-${pod}`] };
  const username = `system:serviceaccount:${namespace}:${account}`;
  return { authenticated: true, audiences: ["istio-ca"], user: { username, extra } };
}

test("what istioctl asks at 15014: version, proxies, clusters", async t => {
  const api = new RecordingApi([]);
  const running = await recordedDiscovery(t, api, { clusterId: "east" });
  const base = `http://127.0.0.1:${running.httpPorts[0]}`;
  await eventually("it is ready", async () => (await fetch(`${base}/ready`)).ok);
  const json = async (path: string) => (await fetch(`${base}${path}`)).json();
  // kubeClient.GetIstioVersions: as version.Version where it is JSON.
  const version = (await json("//version")) as { clientVersion: { version: string } };
  assert.equal(version.clientVersion.version, "1.2.3");
  // kubeClient.AllDiscoveryDo, by `version` and `remote-clusters`.
  assert.deepEqual(await json("/debug/syncz"), []);
  assert.deepEqual(await json("//debug/syncz"), []);
  assert.deepEqual(await json("/debug/clusterz"), [
    { id: "east", secretName: "", syncStatus: "synced" },
  ]);
});

test("what istioctl asks at 15012, with the token that it has made: debug types and nothing else", async t => {
  const running = await recordedDiscovery(t, new RecordingApi([], review));
  const ask = (of: string, typeUrl: string, resourceNames: string[] = []) => {
    const headers = { authorization: `Bearer ${token(of)}` };
    // As istioctl, which verifies no name here (InsecureSkipVerify).
    const options = { headers, rejectUnauthorized: false };
    const client = new SotwClient(`https://127.0.0.1:${running.tlsPorts[0]}`, options);
    t.after(() => client.close());
    const node = { id: "sidecar~10.9.9.9~test-1.default~default.svc.cluster.local" };
    client.send({ node, typeUrl, resourceNames, responseNonce: "2026-11-30 21:00:00" });
    return client;
  };
  const syncz = await ask("istio-system/default", "istio.io/debug/syncz").response(1);
  assert.deepEqual([syncz.typeUrl, syncz.resources], ["istio.io/debug/syncz", []]);
  assert.equal(JSON.parse(syncz.controlPlane?.identifier ?? "{}").ID, "istiod-1");
  const page = await ask("istio-system/default", "istio.io/debug", ["clusterz"]).response(1);
  assert.match(Buffer.from(page.resources?.[0]?.value ?? []).toString(), /"id":"Kubernetes"/);
  const refused: readonly (readonly [string, string, string[], number])[] = [
    ["istio-system/default", CDS, [], 7],
    ["istio-system/default", SDS, ["default", "ROOTCA"], 7],
    ["shop/default", "istio.io/debug", ["syncz"], 7],
    ["shop/default", "istio.io/debug/syncz", [], 7],
    ["shop/web/web-1", "istio.io/debug", ["syncz"], 7],
    ["nobody", "istio.io/debug", ["syncz"], 16],
  ];
  for (const [of, type, names, code] of refused) {
    const client = ask(of, type, names);
    assert.equal((await client.status).code, code, `${of} ${type} ${names}`);
    assert.equal(client.responses.length, 0);
  }
});
