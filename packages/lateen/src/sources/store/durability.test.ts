import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { openDatabase } from "./database.ts";
import { testStore, value, widget, widgetKind } from "./test-store.ts";

interface Acknowledged {
  readonly name: string;
  readonly revision: number;
}

/** Lets a process write until it has acknowledged `enough`, then kills it with -9. */
async function writeAndKill(path: string, prefix: string, enough: number): Promise<Acknowledged[]> {
  const writer = join(import.meta.dirname, "test-writer.ts");
  const child = spawn(process.execPath, [writer, path, prefix], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => {
    output += chunk;
    if (output.split("\n").length > enough) child.kill("SIGKILL");
  });
  const signal = await new Promise(done => child.on("close", (_code, by) => done(by)));
  assert.equal(signal, "SIGKILL");
  const lines = output.split("\n").slice(0, -1);
  return lines.map(line => {
    const [name = "", revision = ""] = line.split(" ");
    return { name, revision: Number(revision) };
  });
}

test("nothing acknowledged is lost by kill -9, and revisions never go back", async t => {
  const directory = mkdtempSync(join(tmpdir(), "lateen-store-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "store.db");
  const acknowledged: Acknowledged[] = [];
  for (const prefix of ["a", "b", "c"]) {
    acknowledged.push(...(await writeAndKill(path, prefix, 40)));
    const { store } = testStore({ path });
    for (const { name } of acknowledged) value(store.get(widgetKind, "default", name));
    assert.ok(store.revision >= Math.max(...acknowledged.map(row => row.revision)));
    const before = store.revision;
    value(store.create(widgetKind, "default", widget(`after-${prefix}`)));
    assert.ok(store.revision > before);
    store.close();
  }
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a watch goes on after a restart where nothing was missed", t => {
  const directory = mkdtempSync(join(tmpdir(), "lateen-store-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "store.db");
  const first = testStore({ path }).store;
  const created = value(first.create(widgetKind, "default", widget("a")));
  first.ensureNamespace("other");
  first.close();
  const { store } = testStore({ path });
  const options = { namespace: undefined, selection: { labels: [], fields: [] }, onReady() {} };
  const since = created.resourceVersion;
  assert.ok(since < store.revision);
  const watch = value(store.watch(widgetKind, { ...options, since }));
  assert.deepEqual(value(watch.take(10)), []);
  assert.equal(store.watch(widgetKind, { ...options, since: since - 1 }).ok, false);
  store.close();
});

test("a file that is in use, newer or no database is refused by name", t => {
  const directory = mkdtempSync(join(tmpdir(), "lateen-store-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "store.db");
  const first = openDatabase(path);
  assert.ok(first.ok);
  const second = openDatabase(path);
  assert.match(second.diagnostics[0]?.message ?? "", /store\.db: it is in use by another process/);
  first.value.close();
  const junk = join(directory, "junk.db");
  writeFileSync(junk, "this is not a database, but long enough to look like one".repeat(50));
  assert.match(openDatabase(junk).diagnostics[0]?.message ?? "", /junk\.db: .*not a database/);
});
