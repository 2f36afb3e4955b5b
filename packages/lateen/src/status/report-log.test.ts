import assert from "node:assert/strict";
import { test } from "node:test";
import { type Log, type LogFields, silentLog } from "../base/log.ts";
import type { ObjectReport } from "./object-report.ts";
import { ReportLog } from "./report-log.ts";

function report(message: string, accepted = true): ObjectReport {
  const severity = accepted ? "warning" : "error";
  return {
    accepted,
    diagnostics: [{ severity, path: "spec", message, reason: "Odd" }],
    rejections: [],
    disputes: [],
  };
}

function setUp() {
  const lines: string[] = [];
  const line =
    (level: string) =>
    (message: string, fields?: LogFields): void => {
      const { object = "", at = "", problems = "" } = fields ?? {};
      lines.push([level, message, object, at, problems].join("|"));
    };
  const log: Log = { ...silentLog, info: line("info"), warn: line("warn"), error: line("error") };
  return { lines, log: new ReportLog({ log, originOf: () => "a.yaml:3" }) };
}

test("one line an object when what there is to say changes", () => {
  const { lines, log } = setUp();
  const key = "Gateway.networking.istio.io/default/edge";
  log.take(new Map([[key, report("odd")]]));
  log.take(new Map([[key, report("odd")]]));
  log.take(new Map([[key, report("worse", false)]]));
  log.take(new Map([[key, undefined]]));
  log.take(new Map([[key, undefined]]));
  assert.deepEqual(lines, [
    "warn|object has warnings|Gateway default/edge|a.yaml:3|spec: odd",
    "error|object has errors|Gateway default/edge|a.yaml:3|spec: worse",
    "info|object has no problems any more|Gateway default/edge|a.yaml:3|",
  ]);
});

test("a flood is counted, and files speak for themselves", () => {
  const { lines, log } = setUp();
  log.take(new Map([["File//a/b.yaml:3", report("broken", false)]]));
  assert.deepEqual(lines, []);
  const many = Array.from({ length: 300 }, (_, i) => [`Gateway/n/${i}`, report("odd")] as const);
  log.take(new Map(many));
  assert.equal(lines.length, 201);
  assert.equal(lines.at(-1), "warn|and 100 more objects with warnings or errors|||");
});
