import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { Json, JsonObject } from "../api/kind.ts";
import { virtualServiceKind } from "../api/virtual-service/kind.ts";
import { silentLog } from "../base/log.ts";
import { objectAt } from "../sources/json.ts";
import type { SourceSink } from "../sources/source.ts";
import { type ApiResult, failed, succeeded } from "../sources/status.ts";
import { StatusLedger } from "./ledger.ts";
import type { ObjectReport } from "./object-report.ts";
import { mayHaveStatus, StatusWriter } from "./status-writer.ts";

const REPORT: ObjectReport = {
  accepted: true,
  diagnostics: [{ severity: "warning", path: "spec", message: "odd", reason: "Odd" }],
  rejections: [],
  disputes: [],
};

/** An API server with the objects that were written to it, which tells the ledger of each write. */
function setUp(options: { readonly echo?: boolean } = {}) {
  const clock = new FakeClock();
  const ledger = new StatusLedger({ keeps: mayHaveStatus, hidesStatus: mayHaveStatus });
  const seen: JsonObject[] = [];
  let sink: SourceSink | undefined;
  ledger
    .watch({
      name: "test",
      start: given => {
        sink = given;
      },
      stop: () => {},
    })
    .start({
      onChanges: changes =>
        seen.push(...changes.flatMap(({ object }) => (object === undefined ? [] : [object]))),
      onProblems: () => {},
      onSynced: () => {},
    });
  const server = new Map<string, JsonObject>();
  const writes: string[] = [];
  const answers: ApiResult<JsonObject>[] = [];
  let version = 0;
  const put = (name: string, status: JsonObject, generation = 1, revision?: string): JsonObject => {
    version++;
    const before = objectAt(objectAt(server.get(name) ?? {}, "metadata"), "labels");
    const labels = revision === undefined ? before : { "istio.io/rev": revision };
    const resourceVersion = `${version}`;
    const metadata = { namespace: "default", name, generation, resourceVersion, labels };
    const object = { metadata, spec: {}, status };
    server.set(name, object);
    return object;
  };
  const tell = (name: string): void => {
    const object = server.get(name);
    sink?.onChanges([{ kind: virtualServiceKind, namespace: "default", name, object }]);
  };
  const client = {
    async patch(_resource: unknown, _namespace: string, name: string, _type: unknown, body: Json) {
      await turn();
      writes.push(name);
      const answer = answers.shift();
      if (answer !== undefined) return answer;
      const metadata = objectAt(server.get(name) ?? {}, "metadata");
      const patch = body as JsonObject;
      if (objectAt(patch, "metadata")["resourceVersion"] !== metadata["resourceVersion"])
        return failed(409, "Conflict", "modified");
      const object = put(name, objectAt(patch, "status"), Number(metadata["generation"]));
      if (options.echo !== false) tell(name);
      return succeeded(object);
    },
  };
  const writer = new StatusWriter({ client, ledger, clock, random: () => 1, log: silentLog });
  return { clock, writer, put, tell, server, writes, answers, seen };
}

function reports(...names: readonly string[]): Map<string, ObjectReport> {
  return new Map(names.map(name => [`VirtualService.networking.istio.io/default/${name}`, REPORT]));
}

async function settle(writer: StatusWriter): Promise<void> {
  for (let i = 0; i < 50 && writer.pending > 0; i++) await turn();
}

test("writes once, and nothing again after a restart", async () => {
  const { writer, put, tell, server, writes, seen } = setUp();
  put("a", {});
  tell("a");
  put("b", {});
  tell("b");
  writer.take(reports("a"));
  assert.deepEqual(writes, [], "nothing before the start");
  writer.start();
  await settle(writer);
  assert.deepEqual(writes, ["a"]);
  writer.take(reports("a"));
  await settle(writer);
  assert.deepEqual(writes, ["a"]);
  assert.deepEqual(
    seen.map(object => [object["status"], objectAt(object, "metadata")["resourceVersion"]]),
    [
      [undefined, undefined],
      [undefined, undefined],
      [undefined, undefined],
    ],
    "the graph sees no status and no version",
  );
  const again = setUp();
  const metadata = objectAt(server.get("a") ?? {}, "metadata");
  again.put("a", objectAt(server.get("a") ?? {}, "status"), Number(metadata["generation"]));
  again.tell("a");
  again.writer.take(reports("a"));
  again.writer.start();
  await settle(again.writer);
  assert.deepEqual(again.writes, []);
  again.writer.take(new Map([["VirtualService.networking.istio.io/default/a", undefined]]));
  await settle(again.writer);
  assert.deepEqual(again.writes, ["a"], "mended");
});

test("never faster than the limit, and never more at once than the limit", async () => {
  const { writer, put, tell, writes, clock } = setUp();
  const names = Array.from({ length: 200 }, (_, i) => `v${i}`);
  for (const name of names) {
    put(name, {});
    tell(name);
  }
  writer.take(reports(...names));
  writer.start();
  for (let i = 0; i < 100; i++) await turn();
  assert.equal(writes.length, 50);
  clock.advance(1000);
  for (let i = 0; i < 100; i++) await turn();
  assert.ok(writes.length <= 101 && writes.length > 50, `${writes.length} after a second`);
  for (let second = 0; second < 60 && writer.pending > 0; second++) {
    clock.advance(100);
    for (let i = 0; i < 20; i++) await turn();
  }
  assert.equal(new Set(writes).size, 200);
  assert.equal(writes.length, 200);
});

test("errors put the writer off, longer each time; conflicts wait for the source", async () => {
  const { writer, put, tell, writes, answers, clock } = setUp();
  put("a", {});
  tell("a");
  answers.push(failed(503, "ServiceUnavailable", "away"), failed(500, "InternalError", "oh"));
  writer.take(reports("a"));
  writer.start();
  await turn();
  await turn();
  assert.equal(writes.length, 1);
  clock.advance(499);
  await turn();
  assert.equal(writes.length, 1);
  clock.advance(1);
  await turn();
  await turn();
  assert.equal(writes.length, 2);
  clock.advance(999);
  await turn();
  assert.equal(writes.length, 2);
  put("a", {}, 2);
  clock.advance(1);
  await turn();
  await turn();
  assert.equal(writes.length, 3, "with the version of before: a conflict");
  clock.advance(100_000);
  await turn();
  assert.equal(writes.length, 3);
  tell("a");
  await settle(writer);
  assert.equal(writes.length, 4);
});

test("what may not be written is not tried again", async () => {
  const { writer, put, tell, writes, answers, clock } = setUp();
  put("a", {});
  tell("a");
  answers.push(failed(403, "Forbidden", "no"));
  writer.take(reports("a"));
  writer.start();
  await settle(writer);
  clock.advance(1_000_000);
  await settle(writer);
  assert.equal(writes.length, 1);
});

test("what proxies rejected stands until they had time to connect again", async () => {
  const rejected = { type: "Reconciled", status: "False", reason: "RejectedByEnvoy", message: "x" };
  const { writer, put, tell, writes, clock } = setUp();
  put("a", { conditions: [rejected] });
  tell("a");
  writer.start();
  await settle(writer);
  assert.deepEqual(writes, []);
  clock.advance(60_000);
  await settle(writer);
  assert.deepEqual(writes, ["a"]);
});

test("the end of a rejection that we have heard of ourselves is told at once", async () => {
  const { writer, put, tell, server, writes } = setUp();
  put("a", {});
  tell("a");
  writer.start();
  const rejection = {
    type: "RDS",
    resource: "80",
    message: "no",
    proxies: 1,
    proxy: "p.default",
    namespaces: ["default"],
  };
  const rejected: ObjectReport = {
    accepted: true,
    diagnostics: [],
    rejections: [rejection],
    disputes: [],
  };
  writer.take(new Map([["VirtualService.networking.istio.io/default/a", rejected]]));
  await settle(writer);
  assert.match(JSON.stringify(server.get("a")), /RejectedByEnvoy/);
  writer.take(new Map([["VirtualService.networking.istio.io/default/a", undefined]]));
  await settle(writer);
  assert.deepEqual(writes, ["a", "a"]);
  assert.doesNotMatch(JSON.stringify(server.get("a")), /RejectedByEnvoy/);
});

test("of objects with a revision's label those who lead that revision write, of others who lead all", async () => {
  const { writer, put, tell, writes } = setUp();
  put("shared", {});
  tell("shared");
  put("own", {}, 1, "canary");
  tell("own");
  writer.take(reports("shared", "own"));
  writer.start({ mesh: false, revision: true });
  await settle(writer);
  assert.deepEqual(writes, ["own"]);
  writer.start({ mesh: true, revision: false });
  await settle(writer);
  assert.deepEqual(writes, ["own", "shared"]);
  writer.take(new Map([["VirtualService.networking.istio.io/default/own", undefined]]));
  await settle(writer);
  assert.deepEqual(writes, ["own", "shared"], "its mending is another's to write");
});

for (const hours of [-3, 3])
  test(`a clock that is set by ${hours} h holds nothing back and hurries nothing`, async () => {
    const { writer, put, tell, writes, clock, answers } = setUp();
    const names = Array.from({ length: 60 }, (_, i) => `v${i}`);
    for (const name of names) {
      put(name, {});
      tell(name);
    }
    writer.take(reports(...names));
    writer.start();
    for (let i = 0; i < 30; i++) await settle(writer);
    assert.equal(writes.length, 50);
    clock.set(hours * 3_600_000);
    clock.advance(0);
    await settle(writer);
    assert.equal(writes.length, 50);
    clock.advance(1000);
    for (let i = 0; i < 5; i++) await settle(writer);
    assert.equal(writes.length, 60);
    answers.push(failed(503, "ServiceUnavailable", "away"));
    put("late", {});
    tell("late");
    writer.take(reports("late"));
    await settle(writer);
    clock.set(hours * 3_600_000);
    clock.advance(1000);
    await settle(writer);
    assert.deepEqual(writes.slice(60), ["late", "late"], "a back-off is as long as it was");
  });
