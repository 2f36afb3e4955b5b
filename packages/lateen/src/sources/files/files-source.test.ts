import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { silentLog } from "../../base/log.ts";
import type { SourceProblem } from "../source.ts";
import { testKinds } from "../store/test-store.ts";
import { filesSource } from "./files-source.ts";

function widgetText(name: string, size: number, more = ""): string {
  return `apiVersion: test.lateen.dev/v1\nkind: Widget\nmetadata:\n  name: ${name}\nspec:\n  size: ${size}\n${more}`;
}

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lateen-files-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function follow(t: TestContext, directory: string, clock: FakeClock) {
  const batches: string[][] = [];
  let problems: readonly SourceProblem[] = [];
  let synced = 0;
  const source = filesSource({ directory, kinds: testKinds, clock, log: silentLog });
  t.after(() => source.stop());
  source.start({
    onChanges: changes =>
      batches.push(
        changes.map(({ name, object, origin }) => {
          const { spec } = object ?? {};
          return object === undefined ? `-${name}` : `+${name} ${JSON.stringify(spec)} ${origin}`;
        }),
      ),
    onProblems: now => {
      problems = now;
    },
    onSynced: () => {
      synced++;
    },
  });
  const rescan = (): string[] => {
    batches.length = 0;
    clock.advance(10_000);
    return batches.flat();
  };
  return {
    rescan,
    batches,
    problems: () => problems.map(({ origin, message }) => `${origin}: ${message}`),
    synced: () => synced,
  };
}

test("reads YAML, JSON and lists, in folders, with the lines they begin on", t => {
  const directory = folder(t);
  mkdirSync(join(directory, "sub/.git"), { recursive: true });
  writeFileSync(
    join(directory, "a.yaml"),
    `# comment\n---\n${widgetText("a", 1)}---\n${widgetText("b", 2)}`,
  );
  writeFileSync(
    join(directory, "sub/c.json"),
    JSON.stringify({ apiVersion: "v1", kind: "List", items: [JSON.parse(json("c", 3))] }),
  );
  writeFileSync(join(directory, "sub/.git/x.yaml"), widgetText("hidden", 1));
  writeFileSync(join(directory, "notes.txt"), "not ours");
  const { batches, synced, problems } = follow(t, directory, new FakeClock());
  assert.equal(synced(), 1);
  assert.deepEqual(batches, [
    ['+a {"size":1} a.yaml:3', '+b {"size":2} a.yaml:10', '+c {"size":3} sub/c.json:1'],
  ]);
  assert.deepEqual(problems(), []);
});

function json(name: string, size: number): string {
  return JSON.stringify({
    apiVersion: "test.lateen.dev/v1",
    kind: "Widget",
    metadata: { name },
    spec: { size },
  });
}

test("tells changes only, also of files that come and go", t => {
  const directory = folder(t);
  writeFileSync(join(directory, "a.yaml"), widgetText("a", 1));
  writeFileSync(join(directory, "b.yaml"), widgetText("b", 1));
  const { rescan } = follow(t, directory, new FakeClock());
  assert.deepEqual(rescan(), []);
  writeFileSync(join(directory, "a.yaml"), widgetText("a", 22));
  assert.deepEqual(rescan(), ['+a {"size":22} a.yaml:1']);
  renameSync(join(directory, "b.yaml"), join(directory, "c.yaml"));
  assert.deepEqual(rescan(), ['+b {"size":1} c.yaml:1']);
  rmSync(join(directory, "c.yaml"));
  assert.deepEqual(rescan(), ["-b"]);
});

test("a broken file keeps what it gave, and its place is named", t => {
  const directory = folder(t);
  const file = join(directory, "a.yaml");
  writeFileSync(file, `${widgetText("a", 1)}---\n${widgetText("b", 1)}`);
  const { rescan, problems } = follow(t, directory, new FakeClock());
  writeFileSync(file, `${widgetText("a", 2)}---\nkind: [\n`);
  assert.deepEqual(rescan(), ['+a {"size":2} a.yaml:1']);
  assert.match(problems().join(), /^a\.yaml:[89]: /);
  writeFileSync(file, widgetText("a", 2));
  assert.deepEqual(rescan(), ["-b"]);
  assert.deepEqual(problems(), []);
});

test("a folder that can not be listed keeps what it gave, until it is back", t => {
  const directory = folder(t);
  const place = join(directory, "mesh");
  mkdirSync(join(place, "sub"), { recursive: true });
  writeFileSync(join(place, "sub/a.yaml"), widgetText("a", 1));
  const { rescan, problems } = follow(t, place, new FakeClock());
  renameSync(place, join(directory, "away"));
  assert.deepEqual(rescan(), []);
  assert.match(problems().join(), /^\.: ENOENT/);
  renameSync(join(directory, "away"), place);
  rmSync(join(place, "sub/a.yaml"));
  assert.deepEqual(rescan(), ["-a"]);
  assert.deepEqual(problems(), []);
});

test("a pipe is not read: its writer may never come", t => {
  const directory = folder(t);
  execFileSync("mkfifo", [join(directory, "a.yaml")]);
  writeFileSync(join(directory, "b.yaml"), widgetText("b", 1));
  const { batches, problems } = follow(t, directory, new FakeClock());
  assert.deepEqual(batches, [['+b {"size":1} b.yaml:1']]);
  assert.deepEqual(problems(), ["a.yaml: not a file"]);
});

test("what is no object of ours is named and left out", t => {
  const directory = folder(t);
  const other = "apiVersion: v9\nkind: Nothing\nmetadata: {name: x}\n";
  const text = `just text\n---\n${other}---\n${widgetText("a", 1)}---\n${widgetText("a", 2)}`;
  writeFileSync(join(directory, "a.yaml"), text);
  const { batches, problems } = follow(t, directory, new FakeClock());
  assert.deepEqual(batches, [['+a {"size":1} a.yaml:7']]);
  assert.match(problems()[0] ?? "", /^a\.yaml:1: the document is not an object/);
  assert.match(problems()[1] ?? "", /^a\.yaml:3: Nothing of v9 is not known here/);
  assert.match(problems()[2] ?? "", /^a\.yaml:14: Widget default\/a is already in a\.yaml:7/);
});

test("kinds that others read are passed over, unknown ones are named once a file", t => {
  const directory = folder(t);
  const object = (kind: string, name: string) => `kind: ${kind}\nmetadata: {name: ${name}}\n---\n`;
  const known = `apiVersion: apps/v1\n${object("Deployment", "a")}`;
  const other = `apiVersion: v9\n${object("Nothing", "a")}`;
  writeFileSync(join(directory, "a.yaml"), `${known}${other}${other}${other}`);
  writeFileSync(join(directory, "b.yaml"), other);
  const { batches, problems } = follow(t, directory, new FakeClock());
  assert.deepEqual(batches, []);
  assert.deepEqual(problems(), [
    "a.yaml:5: Nothing of v9 is not known here: 3 objects in this file are left out",
    "b.yaml:1: Nothing of v9 is not known here: the object is left out",
  ]);
});

test("an alias bomb is refused", t => {
  const directory = folder(t);
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
  for (const [from, to] of ["ab", "bc", "cd", "de", "ef", "fg"].map(pair => [...pair]))
    bomb.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(",")}]`);
  writeFileSync(join(directory, "bomb.yaml"), bomb.join("\n"));
  const { problems } = follow(t, directory, new FakeClock());
  assert.match(problems().join(), /alias/i);
});

/** Follows by the system's events alone: the clock that would make it read again stands still. */
async function followEvents(t: TestContext, directory: string) {
  const clock = new FakeClock();
  const settled = { after: (ms: number, run: () => void) => later(clock, ms, run) };
  const source = filesSource({
    directory,
    kinds: testKinds,
    clock: { ...settled, now: () => clock.now(), monotonic: () => clock.monotonic() },
    log: silentLog,
  });
  const alive = setInterval(() => {}, 1000);
  t.after(() => {
    clearInterval(alive);
    source.stop();
  });
  const seen: string[] = [];
  let wake = () => {};
  source.start({
    onChanges: changes => {
      for (const { name, object } of changes)
        seen.push(object === undefined ? `-${name}` : `+${name} ${JSON.stringify(object["spec"])}`);
      wake();
    },
    onProblems: () => {},
    onSynced: () => {},
  });
  await new Promise(done => setTimeout(done, 50));
  seen.length = 0;
  return async (change: () => void): Promise<string> => {
    const told = new Promise<void>(done => {
      wake = done;
    });
    change();
    await told;
    return seen.splice(0).join();
  };
}

/** Short waits pass, long ones (the rescan) never end. */
function later(clock: FakeClock, ms: number, run: () => void): () => void {
  if (ms >= 1_000) return clock.after(ms, run);
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

test("changes are seen at once: new files, files moved over others, again and again", async t => {
  const directory = folder(t);
  const elsewhere = folder(t);
  mkdirSync(join(directory, "sub"));
  const inSub = join(directory, "sub/a.yaml");
  writeFileSync(inSub, widgetText("a", 0));
  const seen = await followEvents(t, directory);
  const late = join(directory, "late.yaml");
  assert.equal(await seen(() => writeFileSync(late, widgetText("late", 1))), '+late {"size":1}');
  for (const size of [1, 2, 3]) {
    const next = join(elsewhere, "next");
    writeFileSync(next, widgetText("a", size));
    assert.equal(await seen(() => renameSync(next, inSub)), `+a {"size":${size}}`);
    // As editors save: beside it, under another name.
    const swap = join(directory, ".late.swp");
    writeFileSync(swap, widgetText("late", 10 + size));
    assert.equal(await seen(() => renameSync(swap, late)), `+late {"size":${10 + size}}`);
  }
  assert.equal(await seen(() => rmSync(late)), "-late");
  const whole = join(elsewhere, "whole");
  mkdirSync(whole);
  writeFileSync(join(whole, "w.yaml"), widgetText("w", 1));
  assert.equal(await seen(() => renameSync(whole, join(directory, "whole"))), '+w {"size":1}');
  const within = join(directory, "whole/w.yaml");
  assert.equal(await seen(() => writeFileSync(within, widgetText("w", 2))), '+w {"size":2}');
});

test("a ConfigMap's volume is seen when its link to the data is exchanged", async t => {
  const directory = folder(t);
  const version = (size: number) => {
    mkdirSync(join(directory, `..v${size}`));
    writeFileSync(join(directory, `..v${size}/w.yaml`), widgetText("w", size));
    symlinkSync(`..v${size}`, join(directory, "..data_tmp"));
    renameSync(join(directory, "..data_tmp"), join(directory, "..data"));
  };
  version(1);
  symlinkSync("..data/w.yaml", join(directory, "w.yaml"));
  const seen = await followEvents(t, directory);
  assert.equal(await seen(() => version(2)), '+w {"size":2}');
  assert.equal(await seen(() => version(3)), '+w {"size":3}');
});
