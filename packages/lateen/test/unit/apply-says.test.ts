/** `lateen apply` against a store with a control plane, and against an API server that answers as told. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { namespaceKind } from "../../src/api/namespace/kind.ts";
import { allKinds } from "../../src/api/registry.ts";
import { silentLog } from "../../src/base/log.ts";
import { startDiscovery } from "../../src/bin/discovery.ts";
import { applyCommand } from "../../src/cli/commands/apply.ts";
import type { ApiAnswer, ApiCall, CliContext, MeshAccess } from "../../src/cli/context.ts";
import { systemClock } from "../../src/net/clock.ts";
import { ApiClient } from "../../src/sources/client/api-client.ts";
import { localTransport } from "../../src/sources/client/local-transport.ts";
import { kubeApiHandler } from "../../src/sources/kube-api/handler.ts";
import { serveKubeApi } from "../../src/sources/kube-api/server.ts";
import { openStore } from "../../src/sources/store/store.ts";
import { countedIds } from "../../src/sources/store/test-store.ts";
import { core, istio } from "../support/yaml-mesh.ts";

const TOKEN = "secret";
type CallApi = (call: ApiCall) => Promise<ApiAnswer>;

interface Said {
  readonly stdout: string;
  readonly warnings: readonly string[];
  readonly pauses: readonly number[];
}

async function apply(api: CallApi, text: string, words: readonly string[] = []): Promise<Said> {
  const said = { stdout: "", stderr: "" };
  const pauses: number[] = [];
  const never = (): Promise<never> => Promise.reject(new Error("apply does not need this"));
  const mesh: MeshAccess = {
    api,
    ...{ follow: never, envoyAdmin: never, discoveryDebug: never, exec: never, readText: never },
    forward: never,
  };
  const output = (stream: keyof typeof said) => ({
    write: (line: string): void => {
      said[stream] += line;
    },
  });
  const ctx: CliContext = {
    ...{ stdout: output("stdout"), stderr: output("stderr"), version: "1", now: () => 0 },
    pause: ms => {
      pauses.push(ms);
      return sleep(ms);
    },
    ...{ meshName: undefined, home: undefined, namespace: "default", compat: undefined },
    mesh: () => Promise.resolve(mesh),
    ...{ readFile: never, objectFiles: never, interrupted: never },
    readStdin: () => Promise.resolve(text),
  };
  const flags = { filename: ["-"], "dry-run": words.includes("dry") ? "client" : "none" };
  const { run } = applyCommand();
  assert.ok(run !== undefined);
  const code = await run(ctx, { flags, args: [], trailing: undefined });
  assert.equal(code, 0, said.stderr);
  const warnings = said.stderr.split("\n").filter(line => line !== "");
  return { stdout: said.stdout, warnings, pauses };
}

/** A store with a control plane that reads it, both of this process. */
async function openMesh(t: TestContext): Promise<CallApi> {
  const clock = systemClock;
  const ids = countedIds();
  const opened = openStore({ path: ":memory:", kinds: allKinds, clock, ids, log: silentLog });
  assert.ok(opened.ok);
  const options = { store: opened.value, clock, version: "test", token: TOKEN };
  const server = await serveKubeApi({ ...options, host: "127.0.0.1", port: 0, log: silentLog });
  t.after(() => server.close(0));
  const client = new ApiClient(localTransport(kubeApiHandler(options), TOKEN));
  for (const name of ["default", "istio-system"])
    await client.create(namespaceKind, "", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
    });
  const url = `http://127.0.0.1:${server.port}`;
  const discovery = await startDiscovery({
    source: { kind: "api", server: url, token: () => TOKEN, ca: undefined },
    plaintext: { host: "127.0.0.1", port: 0 },
    ...{ tls: [], http: [], stateDir: undefined, instance: "test", version: "test" },
    ...{ certificateLifetimeMs: undefined, clock, random: Math.random, log: silentLog },
  });
  t.after(() => discovery.stop());
  return async ({ method, path, body, contentType = "application/json" }) => {
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": contentType },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const header = answer.headers.get("warning") ?? "";
    const warnings = [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(found =>
      (found[1] ?? "").replace(/\\(.)/g, "$1"),
    );
    return { status: answer.status, body: await answer.json(), warnings };
  };
}

function route(name: string, host: string): string {
  return istio(
    "VirtualService",
    name,
    `{hosts: [${name}], http: [{route: [{destination: {host: ${host}}}]}]}`,
  );
}

const SERVICE = core("Service", "there", "{ports: [{name: http, port: 80}]}");

test("what the control plane finds wrong is printed, by object; what later objects mend is not", async t => {
  const api = await openMesh(t);
  const policy = istio("Telemetry", "none", "{}").replace(
    "networking.istio.io",
    "telemetry.istio.io",
  );
  const text = [route("good", "there"), route("bad", "gone"), policy, SERVICE].join("");
  const { stdout, warnings } = await apply(api, text);
  assert.equal(stdout.split("\n").length, 5);
  assert.deepEqual(warnings, [
    "Warning: telemetry.telemetry.istio.io/none: spec: everything in this object is accepted but not carried out yet; it has no effect",
    "Warning: virtualservice.networking.istio.io/bad: spec.http[0].route[0].destination.host: found no service for host gone.default.svc.cluster.local",
  ]);
  const again = await apply(api, route("bad", "gone"));
  assert.match(again.stdout, /bad unchanged/);
  assert.deepEqual(again.warnings, warnings.slice(1));
  assert.deepEqual(again.pauses, [], "what is known already is not waited for");
  assert.deepEqual((await apply(api, route("bad", "there"))).warnings, []);
});

const TYPES: Readonly<Record<string, object>> = {
  "/api": { versions: ["v1"] },
  "/apis": {
    groups: [
      {
        name: "networking.istio.io",
        versions: [{ groupVersion: "networking.istio.io/v1", version: "v1" }],
        preferredVersion: { groupVersion: "networking.istio.io/v1", version: "v1" },
      },
    ],
  },
  "/api/v1": {
    resources: [{ name: "services", singularName: "service", kind: "Service", namespaced: true }],
  },
  "/apis/networking.istio.io/v1": {
    resources: [
      {
        name: "virtualservices",
        singularName: "virtualservice",
        kind: "VirtualService",
        namespaced: true,
      },
    ],
  },
};

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message: string;
  readonly of?: number;
}

/** An API server with one object of generation 2, whose status is the next one at each look. */
function fakeApi(statuses: readonly (readonly Condition[])[], warnings: readonly string[] = []) {
  let looks = -1;
  const api: CallApi = ({ method, path }) => {
    const type = TYPES[path];
    if (type !== undefined) return Promise.resolve({ status: 200, body: type, warnings: [] });
    if (method !== "GET") return Promise.resolve({ status: 200, body: {}, warnings });
    const conditions = (statuses[Math.min(looks++, statuses.length - 1)] ?? []).map(each => ({
      ...each,
      observedGeneration: each.of ?? 2,
    }));
    const metadata = { name: "bad", namespace: "default", generation: 2 };
    return Promise.resolve({
      status: 200,
      body: { metadata, status: { conditions } },
      warnings: [],
    });
  };
  return { api, looks: () => looks };
}

const NAME = "Warning: virtualservice.networking.istio.io/bad: ";
const WRONG = { type: "PassedAnalysis", status: "False" };

test("a status of an older generation is looked at again, for a while", async () => {
  const old = [{ ...WRONG, message: "1 warning found: old", of: 1 }];
  const now = [{ ...WRONG, message: "2 warnings found: a: one; b: two" }];
  const { warnings, pauses } = await apply(fakeApi([old, old, now]).api, route("bad", "x"));
  assert.deepEqual(warnings, [`${NAME}a: one; b: two`]);
  assert.equal(pauses.length, 3);
  const stuck = fakeApi([old]);
  assert.deepEqual((await apply(stuck.api, route("bad", "x"))).warnings, []);
  assert.equal(stuck.looks(), 4);
});

test("what admission has said is not said twice; other conditions are no problems", async () => {
  const said = "spec.x: x is accepted but not carried out yet; it has no effect";
  const conditions = [
    { ...WRONG, message: `2 warnings found: ${said}; spec.y: found none` },
    { type: "Reconciled", status: "False", message: "proxy p.default rejected RDS 80" },
    { type: "Accepted", status: "True", message: "the object is in force" },
    { type: "Ready", status: "False", message: "of somebody else" },
  ];
  const { warnings } = await apply(fakeApi([conditions], [said]).api, route("bad", "x"));
  assert.deepEqual(warnings, [
    `${NAME}${said}`,
    `${NAME}spec.y: found none`,
    `${NAME}proxy p.default rejected RDS 80`,
  ]);
});

test("where nothing is changed, or nothing is found out, nothing is waited for", async () => {
  const dry = await apply(fakeApi([[{ ...WRONG, message: "x" }]]).api, route("bad", "x"), ["dry"]);
  assert.deepEqual([dry.warnings, dry.pauses], [[], []]);
  const service = await apply(fakeApi([]).api, SERVICE);
  assert.deepEqual([service.warnings, service.pauses], [[], []]);
});
