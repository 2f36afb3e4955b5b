/** What outputs are compared by: chance is left out of them, and nothing that says something. */
import assert from "node:assert/strict";
import test from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { alike } from "../support/alike.ts";
import { leftBehind } from "../support/cluster-snapshot.ts";

test("names by chance, addresses, node ports, ages and versions are alike", () => {
  const text = `
NAME                   TYPE           CLUSTER-IP       EXTERNAL-IP   PORT(S)                  AGE
istio-ingressgateway   LoadBalancer   10.100.125.148   <pending>     80:31697/TCP,443:32672/TCP   2d22h
sleep-645b966fc4-h9jhm.default   SYNCED   istiod-744dc8cf66-ldqt7   1.14.3
default   Active   68d   istio-injection=enabled
ClientIP: 127.0.0.6, ServerIP: 10.200.135.152!
`;
  assert.deepEqual(alike(text), [
    "NAME  TYPE  CLUSTER-IP  EXTERNAL-IP  PORT(S)  AGE",
    "istio-ingressgateway  LoadBalancer  ADDRESS  <pending>  80:NODEPORT/TCP,443:NODEPORT/TCP  AGE",
    "sleep-POD.default  SYNCED  istiod-POD  VERSION",
    "default  Active  AGE  istio-injection=enabled",
    "ClientIP: 127.0.0.6, ServerIP: ADDRESS!",
  ]);
});

test("names that somebody chose, ports, counts and states are not", () => {
  for (const line of ["istio-ingressgateway", "0.0.0.0 8080", "80/TCP", "2/2 Running 0", "15021"])
    assert.deepEqual(alike(line), [line]);
});

function object(kind: string, name: string, more: object = {}): [string, JsonObject] {
  const metadata = { name, namespace: "space", uid: `${kind} ${name}` };
  return [`${kind} space/${name}`, { kind, metadata, ...more }];
}

test("what is left behind: new, other, lost; not who breathes, nor what was about to go", () => {
  const going = { kind: "Namespace", metadata: { name: "gone", deletionTimestamp: "now" } };
  const before = new Map<string, JsonObject>([
    object("ConfigMap", "same", { data: { a: "1" }, status: { x: 1 } }),
    object("ConfigMap", "other", { data: { a: "1" } }),
    object("Lease", "heart", { spec: { renewTime: "1" } }),
    object("EndpointSlice", "dns", { endpoints: [{ conditions: { ready: true } }] }),
    object("Secret", "lost"),
    ["Namespace gone", going],
    ["Secret gone/with-it", { kind: "Secret", metadata: { name: "with-it", namespace: "gone" } }],
  ]);
  const after = new Map<string, JsonObject>([
    object("ConfigMap", "same", { data: { a: "1" }, status: { x: 2 } }),
    object("ConfigMap", "other", { data: { a: "2" } }),
    object("Lease", "heart", { spec: { renewTime: "2" } }),
    object("EndpointSlice", "dns", { endpoints: [{ conditions: { ready: false } }] }),
    object("Lease", "lateen-leader"),
  ]);
  assert.deepEqual(leftBehind(before, after), [
    "changed ConfigMap space/other",
    "created Lease space/lateen-leader",
    "deleted Secret space/lost",
  ]);
});
