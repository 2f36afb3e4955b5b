import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "../../test/support/envoy-process.ts";
import { LogFile, logPath } from "./log-file.ts";
import { LogTimes, readTimes } from "./log-times.ts";
import { logDirectories, readLogs } from "./read-logs.ts";

const root = mkdtempSync(join(tmpdir(), "lateen-logs-"));
after(() => rmSync(root, { recursive: true, force: true }));
const directory = join(root, "pods", "default_web-1_uid", "app");
mkdirSync(directory, { recursive: true });

async function text(options: Parameters<typeof readLogs>[1]): Promise<string> {
  const read = readLogs(directory, options);
  if (!read.ok) return read.diagnostics[0]?.message ?? "";
  const pieces: Buffer[] = [];
  for await (const piece of read.value) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test("all, the last lines, and the start before", async () => {
  assert.equal(await text({}), "there is no output");
  writeFileSync(logPath(directory, 0), "one\ntwo\nthree\n");
  assert.equal(await text({}), "one\ntwo\nthree\n");
  assert.equal(await text({ tail: 2 }), "two\nthree\n");
  assert.equal(await text({ tail: 0 }), "");
  assert.equal(await text({ tail: 99 }), "one\ntwo\nthree\n");
  assert.equal(await text({ previous: true }), "there is no previous terminated container");
  writeFileSync(logPath(directory, 1), `${"x".repeat(200_000)}\nlast`);
  assert.equal(await text({ tail: 1 }), "last");
  assert.equal((await text({ tail: 2 })).length, 200_005);
  assert.equal(await text({ previous: true }), "one\ntwo\nthree\n");
  const found = logDirectories(root, { namespace: "default", name: "web-1" });
  assert.deepEqual(found, [{ container: "app", directory }]);
  assert.deepEqual(logDirectories(root, { namespace: "default", name: "web" }), []);
});

test("following goes on over a new start, and ends when it is told to", async () => {
  const abort = new AbortController();
  const read = readLogs(directory, { follow: true, tail: 0, signal: abort.signal });
  assert.ok(read.ok);
  const seen: string[] = [];
  const reading = (async () => {
    for await (const piece of read.value) seen.push(piece.toString());
  })();
  appendFileSync(logPath(directory, 1), "more\n");
  await eventually("the first start is followed", () => seen.join("") === "more\n");
  writeFileSync(logPath(directory, 2), "again\n");
  await eventually("the next one is, too", () => seen.join("").includes("again\n"));
  abort.abort();
  await reading;
  assert.equal(seen.join(""), "more\nagain\n");
});

test("two starts are kept, and a long log is cut while its writer goes on", () => {
  const file = new LogFile(join(root, "rotating"));
  for (const start of [0, 1, 2]) file.open(start, 0);
  const fd = file.open(3, 0);
  assert.throws(() => writeFileSync(logPath(file.directory, 1), "", { flag: "r+" }));
  writeFileSync(logPath(file.directory, 2), "", { flag: "r+" });
  writeSync(fd, Buffer.alloc((10 << 20) + 1, "x"));
  file.rotate();
  writeSync(fd, "new");
  file.close();
  const read = readLogs(file.directory, {});
  assert.ok(read.ok);
});

test("what was written since then, and each line with its time", async () => {
  const file = new LogFile(join(root, "timed"));
  const fd = file.open(0, 0);
  const read = async (options: Parameters<typeof readLogs>[1]): Promise<string> => {
    const found = readLogs(file.directory, options);
    assert.ok(found.ok);
    const parts: Buffer[] = [];
    for await (const piece of found.value) parts.push(piece);
    return Buffer.concat(parts).toString();
  };
  const at = (second: number): number => Date.UTC(2026, 0, 1, 0, 0, second);
  assert.equal(await read({ since: at(9) }), "");
  for (const [second, text] of [
    [1, "one\n"],
    [2, "two\nth"],
    [3, "ree\n"],
  ] as const) {
    writeSync(fd, text);
    file.noteTime(at(second));
  }
  writeSync(fd, "four\n");
  assert.equal(await read({ since: at(2) }), "two\nthree\nfour\n");
  assert.equal(await read({ since: at(4) }), "four\n");
  assert.equal(await read({ since: 0, tail: 1 }), "four\n");
  const stamped = await read({ timestamps: { now: () => at(9) } });
  assert.deepEqual(stamped.split("\n"), [
    "2026-01-01T00:00:01.000Z one",
    "2026-01-01T00:00:02.000Z two",
    "2026-01-01T00:00:02.000Z three",
    "2026-01-01T00:00:09.000Z four",
    "",
  ]);
  // The same lines, read by somebody who came later.
  file.close();
  file.open(0, 0);
  file.noteTime(at(5));
  assert.equal(await read({ since: at(5) }), "four\n");
  file.close();
});

test("times stay bounded, and a log that was cut has none of what was before", async () => {
  const log = join(root, "bounded.log");
  const times = new LogTimes(log);
  for (let size = 1; size <= 30_000; size++) times.note(size, 1_700_000_000_000 + size);
  const marks = readTimes(log);
  assert.ok(marks.length < 15_000, `${marks.length}`);
  assert.deepEqual(marks.at(-1), { end: 30_000, at: 1_700_000_030_000 });
  times.note(5, 1_700_000_040_000);
  assert.deepEqual(readTimes(log), [{ end: 5, at: 1_700_000_040_000 }]);
});
