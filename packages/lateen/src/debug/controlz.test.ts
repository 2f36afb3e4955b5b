/** By requests as istioctl's `admin log` makes them (istioctl/pkg/admin). */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "../base/log.ts";
import { serveHttp } from "../net/http-server.ts";
import { createLog } from "../net/log.ts";
import { controlzRoutes } from "./controlz.ts";

interface Scope {
  readonly name: string;
  readonly description: string;
  readonly output_level: string;
  readonly stack_trace_level: string;
}

async function rig(t: TestContext) {
  const lines: string[] = [];
  const clock = { now: () => 0, monotonic: () => 0, after: () => () => {} };
  const log = createLog({ format: "text", level: "info", clock, write: l => lines.push(l) });
  const served = await serveHttp(
    { routes: controlzRoutes(log), log: silentLog, bodyLimitBytes: 1024 },
    { host: "127.0.0.1", port: 0 },
  );
  t.after(() => served.close());
  const base = `http://127.0.0.1:${served.port}/scopej`;
  const scopes = async (): Promise<Scope[]> => (await (await fetch(base)).json()) as Scope[];
  const put = (name: string, body: unknown): Promise<Response> =>
    fetch(`${base}/${name}`, {
      method: "PUT",
      body: typeof body === "string" ? body : JSON.stringify({ name, ...(body as object) }),
    });
  const level = async (name: string) => (await scopes()).find(s => s.name === name)?.output_level;
  return { lines, log, base, scopes, put, level };
}

test("scopes are listed with their levels, used or not, and one by name", async t => {
  const { log, scopes, base } = await rig(t);
  log.scope("odd");
  const found = await scopes();
  const names = found.map(each => each.name);
  assert.deepEqual(names, [...names].sort());
  for (const name of ["ads", "default", "odd", "watch"]) assert.ok(names.includes(name), name);
  for (const each of found)
    assert.deepEqual([each.output_level, each.stack_trace_level], ["info", "none"]);
  assert.equal(((await (await fetch(`${base}/ads`)).json()) as Scope).name, "ads");
  assert.equal((await fetch(`${base}/nobody`)).status, 400);
});

test("a level that is put is what the log does from then on, for its scope only", async t => {
  const { log, lines, put, level } = await rig(t);
  const [ads, ca] = [log.scope("ads"), log.scope("ca")];
  ads.debug("hidden");
  assert.equal((await put("ads", { output_level: "debug" })).status, 202);
  ads.debug("shown");
  ca.debug("hidden");
  assert.equal((await put("ca", { output_level: "none" })).status, 202);
  ca.error("hidden");
  assert.equal((await put("default", { output_level: "error" })).status, 202);
  log.warn("hidden");
  log.scope("watch").info("shown, as before");
  assert.deepEqual(
    [await level("ads"), await level("ca"), await level("default")],
    ["debug", "none", "error"],
  );
  // As --reset: every scope to info, without stack traces.
  for (const name of ["ads", "ca", "default"])
    assert.equal(
      (await put(name, { output_level: "info", stack_trace_level: "none" })).status,
      202,
    );
  ca.info("shown again");
  assert.match(lines.join(""), /ads shown\n.*watch shown, as before\n.*ca shown again\n/s);
  assert.equal(lines.length, 3);
});

test("what is not carried out is refused and changes nothing", async t => {
  const { put, level } = await rig(t);
  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ["ads", { output_level: "loud" }, /expected one of debug, info, warn, error, none/],
    ["ads", { output_level: "debug", stack_trace_level: "debug" }, /stack traces/],
    ["ads", { output_level: "debug", log_callers: true }, /callers/],
    ["ads", "not JSON", /unable to decode request/],
    ["ads", "[]", /unable to decode request/],
    ["__proto__", { output_level: "debug" }, /unknown scope name: "__proto__"/],
    ["constructor", { output_level: "debug" }, /unknown scope name/],
  ];
  for (const [name, body, expected] of refused) {
    const answer = await put(name, body);
    assert.equal(answer.status, 400, name);
    assert.match(await answer.text(), expected);
  }
  assert.equal(await level("ads"), "info");
  assert.equal(
    (await put("ads", { output_level: "debug", description: "x".repeat(5000) })).status,
    413,
  );
  assert.equal((await put("ads", {})).status, 202);
  assert.equal(await level("ads"), "info");
});
