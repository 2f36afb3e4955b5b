import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { LimitedLog, type LogLimits } from "./limited-log.ts";
import { type Log, type LogFields, silentLog } from "./log.ts";

function rig(limits: Partial<LogLimits> = {}) {
  const lines: string[] = [];
  const say = (message: string, fields: LogFields = {}): void => {
    lines.push(`${message} ${Object.values(fields).join(" ")}`.trim());
  };
  const log: Log = { ...silentLog, warn: say, error: say };
  const clock = new FakeClock();
  return { log: new LimitedLog(log, clock, limits), lines, clock };
}

test("of one reason a few lines are written, then how many more there were", () => {
  const { log, lines, clock } = rig();
  for (let i = 0; i < 1000; i++) log.warn("10.0.0.1 16", "refused", { try: i });
  log.warn("10.0.0.2 16", "refused", { try: "other" });
  assert.deepEqual(lines, ["refused 0", "refused 1", "refused 2", "refused other"]);
  clock.advance(60_000);
  assert.deepEqual(
    lines.splice(0).at(-1),
    "refused: 997 more in the last minute, the newest for this 999",
  );
  assert.equal(clock.waiting, 0);
  log.warn("10.0.0.1 16", "refused", { try: "again" });
  assert.deepEqual(lines, ["refused again"]);
  assert.equal(clock.waiting, 0, "nothing to sum up");
});

test("an hour of refusals from everywhere is a bounded number of bytes: 60 MB in a day", () => {
  const { log, lines, clock } = rig();
  // Each minute is as the one before: a whole day would take as long as all other tests.
  for (let minute = 0; minute < 60; minute++) {
    for (let i = 0; i < 2000; i++)
      log.error(`10.${i >> 8}.${i & 255}.1`, "refused", { reason: "x".repeat(10_000) });
    assert.ok(log.keys <= 1000);
    clock.advance(60_000);
  }
  const bytes = lines.reduce((sum, line) => sum + line.length, 0);
  assert.ok(lines.length <= 60 * 71, `${lines.length} lines`);
  assert.ok(bytes < 60e6 / 24, `${bytes} bytes`);
  assert.match(
    lines.at(-1) ?? "",
    /^and more lines about what clients did in the last minute 1930$/,
  );
});

test("a clock that is set back does not silence it", () => {
  const { log, lines, clock } = rig({ linesPerKey: 1 });
  log.warn("a", "m", {});
  log.warn("a", "m", {});
  assert.equal(lines.length, 1);
  clock.set(-3_600_000);
  clock.advance(60_000);
  log.warn("a", "m", {});
  assert.equal(lines.length, 3, "the sum of what was, and the new one");
});
