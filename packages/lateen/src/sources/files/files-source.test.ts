import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { silentLog } from "../../base/log.ts";
import { systemClock } from "../../net/clock.ts";
import type { SourceProblem } from "../source.ts";
import { TestClock, testKinds } from "../store/test-store.ts";
import { filesSource } from "./files-source.ts";

function widgetText(name: string, size: number, more = ""): string {
  return `apiVersion: test.lateen.dev/v1\nkind: Widget\nmetadata:\n  name: ${name}\nspec:\n  size: ${size}\n${more}`;
}

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lateen-files-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function follow(t: TestContext, directory: string, clock: TestClock) {
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
  const { batches, synced, problems } = follow(t, directory, new TestClock());
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
  const { rescan } = follow(t, directory, new TestClock());
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
  const { rescan, problems } = follow(t, directory, new TestClock());
  writeFileSync(file, `${widgetText("a", 2)}---\nkind: [\n`);
  assert.deepEqual(rescan(), ['+a {"size":2} a.yaml:1']);
  assert.match(problems().join(), /^a\.yaml:[89]: /);
  writeFileSync(file, widgetText("a", 2));
  assert.deepEqual(rescan(), ["-b"]);
  assert.deepEqual(problems(), []);
});

test("what is no object of ours is named and left out", t => {
  const directory = folder(t);
  const other = "apiVersion: v9\nkind: Nothing\nmetadata: {name: x}\n";
  const text = `just text\n---\n${other}---\n${widgetText("a", 1)}---\n${widgetText("a", 2)}`;
  writeFileSync(join(directory, "a.yaml"), text);
  const { batches, problems } = follow(t, directory, new TestClock());
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
  const { batches, problems } = follow(t, directory, new TestClock());
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
  const { problems } = follow(t, directory, new TestClock());
  assert.match(problems().join(), /alias/i);
});

test("changes are seen when the system tells of them", async t => {
  const directory = folder(t);
  const source = filesSource({ directory, kinds: testKinds, clock: systemClock, log: silentLog });
  const alive = setInterval(() => {}, 1000);
  t.after(() => {
    clearInterval(alive);
    source.stop();
  });
  const seen = new Promise<string>(done => {
    source.start({
      onChanges: ([first]) => done(first?.name ?? ""),
      onProblems: () => {},
      onSynced: () => {},
    });
  });
  writeFileSync(join(directory, "late.yaml"), widgetText("late", 1));
  assert.equal(await seen, "late");
});
