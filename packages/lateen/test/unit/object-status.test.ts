/** The control plane against a store: what is applied, and what its status says then. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { configMapKind } from "../../src/api/config-map/kind.ts";
import type { JsonObject, Kind } from "../../src/api/kind.ts";
import { kindOfObject } from "../../src/api/registry.ts";
import { secretKind } from "../../src/api/secret/kind.ts";
import type { Log, LogFields } from "../../src/base/log.ts";
import { asJson, isObject } from "../../src/debug/compare/json.ts";
import { arrayAt, objectAt, stringAt } from "../../src/sources/json.ts";
import { discover, openApi, type StoreApi } from "../support/store-api.ts";
import { core, istio } from "../support/yaml-mesh.ts";

function objectOf(text: string): {
  readonly kind: Kind;
  readonly object: JsonObject;
  readonly name: string;
} {
  const object = asJson(parse(text));
  assert.ok(isObject(object));
  const kind = kindOfObject(String(object["apiVersion"]), String(object["kind"]));
  assert.ok(kind !== undefined);
  return { kind, object, name: stringAt(objectAt(object, "metadata"), "name") };
}

async function apply({ client }: StoreApi, text: string): Promise<readonly string[]> {
  const { kind, object, name } = objectOf(text);
  const created = await client.create(kind, "default", object);
  if (created.ok) return created.warnings;
  if (created.status.code !== 409) return [`refused: ${created.status.message}`];
  const patched = await client.patch(kind, "default", name, "merge", object);
  assert.ok(patched.ok);
  return patched.warnings;
}

/** `TYPE=STATUS: message` of the conditions, as soon as `wanted` says so. */
async function conditions(api: StoreApi, text: string, wanted: RegExp): Promise<string[]> {
  const { kind, name } = objectOf(text);
  let lines: string[] = [];
  for (let i = 0; i < 200; i++) {
    const found = await api.client.get(kind, "default", name);
    assert.ok(found.ok);
    lines = arrayAt(objectAt(found.value, "status"), "conditions")
      .filter(isObject)
      .map(each => `${each["type"]}=${each["status"]}: ${each["message"]}`);
    if (wanted.test(lines.join("\n"))) return lines;
    await sleep(25);
  }
  assert.fail(`no status like ${wanted}:\n${lines.join("\n")}`);
}

const WEB = core("Service", "web", "{clusterIP: 10.0.0.1, ports: [{name: http, port: 80}]}");

function route(more: string, destination = "{host: web}"): string {
  return istio(
    "VirtualService",
    "web",
    `{hosts: [web], http: [{${more} route: [{destination: ${destination}}]}]}`,
  );
}

test("what is wrong with an object is told when it is applied, or stands in its status", async t => {
  const api = await openApi(t);
  const running = await discover(api.source);
  t.after(() => running.stop());
  await apply(api, WEB);

  const weight = istio(
    "VirtualService",
    "bad",
    "{hosts: [web], http: [{route: [{destination: {host: web}, weight: -1}]}]}",
  );
  const [refused = ""] = await apply(api, weight);
  assert.match(
    refused,
    /refused: .*"bad" is invalid: spec\.http\[0\]\.route\[0\]\.weight: .*-1.*want/,
  );

  const unknown = await apply(api, route("rout: 1,"));
  assert.match(unknown.join(), /unknown field "spec\.http\[0\]\.rout"|did you mean route/);

  const fault = "fault: {abort: {httpStatus: 500, percentage: {value: 1}}},";
  const warned = await apply(api, route(fault));
  assert.match(warned.join(), /fault is accepted but not carried out yet/);
  const [accepted, analysis] = await conditions(api, route(""), /not carried out/);
  assert.equal(accepted, "Accepted=True: the object is in force");
  assert.equal(
    analysis,
    "PassedAnalysis=False: 1 warning found: spec.http[0].fault: fault is accepted but not carried out yet; it has no effect",
  );

  await apply(api, route("", "{host: nobody}"));
  const [, missing] = await conditions(api, route(""), /nobody/);
  assert.match(
    missing ?? "",
    /^PassedAnalysis=False: 1 warning found: spec\.http\[0\]\.route\[0\]\.destination\.host: .*nobody\.default\.svc\.cluster\.local/,
  );

  await apply(api, route(""));
  assert.deepEqual(await conditions(api, route(""), /PassedAnalysis=True/), [
    "Accepted=True: the object is in force",
    "PassedAnalysis=True: nothing found",
  ]);
});

test("a control plane that starts again writes nothing that is there", async t => {
  const api = await openApi(t);
  await apply(api, route("", "{host: nobody}"));
  const first = await discover(api.source);
  await conditions(api, route(""), /nobody/);
  await first.stop();
  const versionOf = async (): Promise<string> => {
    const { kind } = objectOf(route(""));
    const found = await api.client.get(kind, "default", "web");
    assert.ok(found.ok);
    return stringAt(objectAt(found.value, "metadata"), "resourceVersion");
  };
  const before = await versionOf();
  const second = await discover(api.source);
  t.after(() => second.stop());
  // Something that has to be written shows that the writer is at work.
  const other = istio("DestinationRule", "none", "{host: nobody}");
  await apply(api, other);
  await conditions(api, other, /nobody/);
  assert.equal(await versionOf(), before);
});

test("objects from files: a line of the log, with the place", async (t: TestContext) => {
  const directory = mkdtempSync(join(tmpdir(), "lateen-status-"));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, "sub"));
  const file = join(directory, "sub/web.yaml");
  writeFileSync(file, `${WEB}${route("", "{host: nobody}")}`);
  const lines: string[] = [];
  const line = (message: string, { object = "", at = "", problems = "" }: LogFields = {}): void => {
    if (object !== "") lines.push(`${message}: ${object} ${at} ${problems}`);
  };
  const log: Log = { debug: () => {}, info: line, warn: line, error: line, scope: () => log };
  const running = await discover({ kind: "files", directory }, log);
  t.after(() => running.stop());
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? "",
    /^object has warnings: VirtualService default\/web sub\/web\.yaml:7 spec\.http\[0\]\.route\[0\]\.destination\.host: .*nobody/,
  );
  writeFileSync(file, `${WEB}${route("")}`);
  for (let i = 0; i < 200 && lines.length < 2; i++) await sleep(50);
  assert.match(lines[1] ?? "", /^object has no problems any more: VirtualService default\/web/);
});

test("the CA is of the trust domain that ConfigMap istio names when the control plane starts", async t => {
  const api = await openApi(t);
  const created = await api.client.create(configMapKind, "istio-system", {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "istio" },
    data: { mesh: "{trustDomain: foo.bar, rootNamespace: elsewhere}" },
  });
  assert.ok(created.ok);
  const running = await discover(api.source);
  t.after(() => running.stop());
  const secret = await api.client.get(secretKind, "istio-system", "istio-ca-secret");
  assert.ok(secret.ok, "the CA's secret is in the control plane's own namespace");
  const pem = Buffer.from(stringAt(objectAt(secret.value, "data"), "ca-cert.pem"), "base64");
  assert.equal(new X509Certificate(pem).subject, "O=foo.bar");
});
