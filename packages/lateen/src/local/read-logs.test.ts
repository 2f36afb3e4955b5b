import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { LogFile, logPath } from "./log-file.ts";
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
  await new Promise(next => setTimeout(next, 300));
  writeFileSync(logPath(directory, 2), "again\n");
  await new Promise(next => setTimeout(next, 500));
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
