/**
 * What an earlier version has let in and this one refuses: it is in the store, is read, takes effect
 * and is warned of. The earlier version is that of this repository's history.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse } from "yaml";
import type { JsonObject, Kind } from "../../src/api/kind.ts";
import type * as registry from "../../src/api/registry.ts";
import { allKinds } from "../../src/api/registry.ts";
import { silentLog } from "../../src/base/log.ts";
import { arrayAt, isObject, objectAt, stringAt, withKey } from "../../src/sources/json.ts";
import type * as stores from "../../src/sources/store/store.ts";
import { countedIds, value } from "../../src/sources/store/test-store.ts";
import {
  BEFORE_COMPACT_METRICS,
  earlierVersion,
  whyNoEarlier,
} from "../support/earlier-version.ts";
import { eventually } from "../support/envoy-process.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { discover, openApi, type StoreApi } from "../support/store-api.ts";

const skip = whyNoEarlier(BEFORE_COMPACT_METRICS) ?? false;
const LONG = `*-${"a".repeat(62)}.example.com`;
const ENV = "env: [{name: a, valueFrom: HOST, value: x}]";

/** Kind, what was stored, and what is said of it. */
const STORED: readonly (readonly [kind: string, spec: string, said: RegExp])[] = [
  [
    "AuthorizationPolicy",
    "{action: DENY, rules: [{from: [{source: {serviceAccounts: [a/b], principals: [a]}}]}]}",
    /spec\.rules\[0\]\.from\[0\]\.source: found serviceAccounts beside principals, want/,
  ],
  [
    "PeerAuthentication",
    "{mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}",
    /spec: found portLevelMtls without selector\.matchLabels, want/,
  ],
  [
    "Telemetry",
    "{metrics: [{overrides: [{tagOverrides: {a: {operation: REMOVE, value: x}}}]}]}",
    /tagOverrides\.a: found operation REMOVE with a value, want/,
  ],
  [
    "WasmPlugin",
    `{url: oci://a/b, vmConfig: {${ENV}}}`,
    /env\[0\]: found valueFrom HOST with a value/,
  ],
  [
    "TrafficExtension",
    `{wasm: {url: oci://a/b, vmConfig: {${ENV}}}}`,
    /env\[0\]: found valueFrom HOST with a value/,
  ],
  [
    "EnvoyFilter",
    "{configPatches: [{applyTo: CLUSTER, match: {context: GATEWAY, waypoint: {}}, patch: {operation: REMOVE}}]}",
    /spec\.configPatches\[0\]\.match: found waypoint in context GATEWAY, want/,
  ],
  [
    "ServiceEntry",
    `{hosts: ["${LONG}"], resolution: NONE, ports: [{number: 80, name: http, protocol: HTTP}]}`,
    /spec\.hosts\[0\]: found .* want at most 63 characters/,
  ],
  ["DestinationRule", `{host: "${LONG}"}`, /spec\.host: found .* want at most 63 characters/],
  [
    "VirtualService",
    `{hosts: ["${LONG}"], http: [{route: [{destination: {host: a.example.com}}]}]}`,
    /spec\.hosts\[0\]: found .* want at most 63 characters/,
  ],
  [
    "Gateway",
    `{selector: {a: b}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["${LONG}"]}]}`,
    /spec\.servers\[0\]\.hosts\[0\]: found .* want at most 63 characters/,
  ],
  [
    "Sidecar",
    `{egress: [{hosts: ["./${LONG}"]}]}`,
    /spec\.egress\[0\]\.hosts\[0\]: found .* want at most 63 characters/,
  ],
];

function kindOf(kinds: readonly Kind[], name: string): Kind {
  const found = kinds.find(({ kind }) => kind === name);
  assert.ok(found !== undefined, name);
  return found;
}

function objectOf(kinds: readonly Kind[], kind: string, spec: string, name = "old"): JsonObject {
  const { group, versions } = kindOf(kinds, kind);
  const apiVersion = `${group}/${versions[0]}`;
  return { apiVersion, kind, metadata: { name, namespace: "default" }, spec: parse(spec) };
}

/** Kinds that the control plane carries out; of the others nothing is in force, and it writes no status. */
const READ = ["ServiceEntry", "DestinationRule", "VirtualService", "Gateway", "Sidecar"];

/** A store that the earlier version has made and filled, open in this one. */
async function upgraded(t: TestContext): Promise<StoreApi> {
  const directory = mkdtempSync(join(tmpdir(), "lateen-earlier-store-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "store.db");
  const earlier = earlierVersion(BEFORE_COMPACT_METRICS);
  t.after(() => earlier.remove());
  const { openStore } = await earlier.load<typeof stores>("src/sources/store/store.ts");
  const { allKinds: kinds } = await earlier.load<typeof registry>("src/api/registry.ts");
  const opened = openStore({
    ...{ path, kinds, clock: new FakeClock(), ids: countedIds(), log: silentLog },
    namespaces: ["default"],
  });
  assert.ok(opened.ok);
  for (const [kind, spec] of STORED)
    value(opened.value.create(kindOf(kinds, kind), "default", objectOf(kinds, kind, spec)));
  opened.value.close();
  return openApi(t, path);
}

async function stored({ client }: StoreApi, kind: string): Promise<JsonObject> {
  return value(await client.get(kindOf(allKinds, kind), "default", "old"));
}

/** `TYPE=STATUS MESSAGE` of a condition. */
function condition(object: JsonObject, type: string): string {
  const all = arrayAt(objectAt(object, "status"), "conditions").filter(isObject);
  const found = all.find(each => stringAt(each, "type") === type) ?? {};
  return `${type}=${stringAt(found, "status")} ${stringAt(found, "message")}`;
}

test("it is read and in force, and its status says what new objects are refused for", {
  skip,
}, async t => {
  const api = await upgraded(t);
  const running = await discover(api.source, silentLog, true);
  t.after(() => running.stop());
  for (const [kind, , said] of STORED.filter(([kind]) => READ.includes(kind))) {
    await eventually(`a status of ${kind}`, async () =>
      condition(await stored(api, kind), "PassedAnalysis").includes("found"),
    );
    const object = await stored(api, kind);
    assert.equal(condition(object, "Accepted"), "Accepted=True the object is in force", kind);
    assert.match(condition(object, "PassedAnalysis"), said);
    assert.match(
      condition(object, "PassedAnalysis"),
      /\(what is stored stays in force, new objects are refused\)/,
    );
  }
  const services = await fetch(`http://127.0.0.1:${running.httpPorts[0]}/debug/registryz`);
  assert.ok((await services.text()).includes(LONG), "the ServiceEntry is a service");
});

test("the same is refused where it is new, and what is stored can be changed and deleted", {
  skip,
}, async t => {
  const api = await upgraded(t);
  const { client } = api;
  for (const [name, spec, said] of STORED) {
    const kind = kindOf(allKinds, name);
    const created = await client.create(kind, "default", objectOf(allKinds, name, spec, "new"));
    assert.ok(!created.ok, name);
    assert.match(created.status.message ?? "", said);
    const change = { metadata: { labels: { a: "b" }, finalizers: ["x.io/y"] } };
    const labelled = await client.patch(kind, "default", "old", "merge", change);
    assert.ok(labelled.ok, name);
    assert.match(labelled.warnings.join("\n"), said);
    const again = await client.update(kind, await stored(api, name));
    assert.ok(again.ok, `${name} as it is`);
    const status = withKey(await stored(api, name), "status", { observedGeneration: 1 });
    const written = await client.update(kind, status, { subresource: "status" });
    assert.ok(written.ok, `the status of ${name}`);
    value(await client.delete(kind, "default", "old"));
    value(await client.patch(kind, "default", "old", "merge", { metadata: { finalizers: null } }));
    assert.equal((await client.get(kind, "default", "old")).ok, false, `${name} is gone`);
  }
});
