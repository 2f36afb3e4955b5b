import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "./log.ts";

const clock = { now: () => 0, monotonic: () => 0, after: () => () => {} };

test("json: one object a line, fixed keys can not be overwritten, undefined is left out", () => {
  const lines: string[] = [];
  const log = createLog({ format: "json", level: "info", clock, write: l => lines.push(l) });
  log.scope("ads").warn("nacked", { proxy: "a", level: "forged", none: undefined });
  assert.deepEqual(lines, [
    '{"time":"1970-01-01T00:00:00.000Z","level":"warn","scope":"ads","message":"nacked","proxy":"a"}\n',
  ]);
});

test("text: values that need it are quoted, and a message stays on its line", () => {
  const lines: string[] = [];
  const log = createLog({ format: "text", level: "debug", clock, write: l => lines.push(l) });
  log.scope("ads").info("two\nlines", { name: "a.b", reason: 'said "no"' });
  assert.deepEqual(lines, [
    '1970-01-01T00:00:00.000Z info  ads two lines name=a.b reason="said \\"no\\""\n',
  ]);
});

test("levels hold for all scopes or for one, and can be changed", () => {
  const lines: string[] = [];
  const log = createLog({ format: "text", level: "warn", clock, write: l => lines.push(l) });
  const ads = log.scope("ads");
  ads.info("hidden");
  log.setLevel("debug", "ads");
  ads.debug("shown");
  log.scope("ca").info("hidden");
  log.setLevel("none");
  log.error("hidden");
  assert.equal(lines.length, 1);
  assert.equal(log.level("ads"), "debug");
});

test("logging never throws", () => {
  const write = (): never => {
    throw new Error("EPIPE");
  };
  createLog({ format: "json", level: "info", clock, write }).info("lost");
});

test("a long value is cut", () => {
  const lines: string[] = [];
  const log = createLog({ format: "json", level: "info", clock, write: l => lines.push(l) });
  log.info("m", { value: "x".repeat(100_000) });
  assert.ok((lines[0]?.length ?? 0) < 5000);
});
