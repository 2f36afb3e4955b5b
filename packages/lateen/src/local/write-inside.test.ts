import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeDirectoryInside, writeInside } from "./write-inside.ts";

const home = mkdtempSync(join(tmpdir(), "lateen-write-inside-"));
after(() => rmSync(home, { recursive: true }));
const EVERYONE = { mode: 0o644 };
const TOKEN = "/run/secrets/tokens/istio-token";
let count = 0;

/** A pod's root, and a folder beside it that stands for the machine's own. */
function rig(): { root: string; machine: string } {
  const root = join(home, `root-${++count}`);
  const machine = join(home, `machine-${count}`);
  mkdirSync(join(root, "run"), { recursive: true });
  mkdirSync(machine);
  writeFileSync(join(machine, "passwd"), "as it was");
  return { root, machine };
}

test("a file is written with the folders that it is in, and replaced", () => {
  const { root } = rig();
  writeInside(root, TOKEN, "one", { mode: 0o640 });
  writeInside(root, TOKEN, "two", { mode: 0o640 });
  assert.equal(readFileSync(join(root, TOKEN), "utf8"), "two");
  assert.equal(statSync(join(root, TOKEN)).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(join(root, "run/secrets/tokens")), ["istio-token"]);
});

test("a folder is made that everybody may write to", () => {
  const { root } = rig();
  makeDirectoryInside(root, "/run/volumes/a");
  makeDirectoryInside(root, "/run/volumes/a");
  assert.equal(statSync(join(root, "run/volumes/a")).mode & 0o777, 0o777);
});

test("no link on the way is followed, whoever made it", () => {
  for (const link of ["run/secrets", "run/secrets/tokens"]) {
    const { root, machine } = rig();
    mkdirSync(join(root, link, ".."), { recursive: true });
    symlinkSync(machine, join(root, link));
    assert.throws(() => writeInside(root, TOKEN, "secret", EVERYONE), /is not a folder of its own/);
    assert.throws(() => makeDirectoryInside(root, TOKEN), /is not a folder of its own/);
    assert.deepEqual(readdirSync(machine), ["passwd"]);
  }
});

test("links in place of the file, and of what it is before it is there, are replaced", () => {
  const { root, machine } = rig();
  mkdirSync(join(root, TOKEN, ".."), { recursive: true });
  for (const name of [TOKEN, `${TOKEN}.new`])
    symlinkSync(join(machine, "passwd"), join(root, name));
  writeInside(root, TOKEN, "secret", EVERYONE);
  assert.equal(readFileSync(join(machine, "passwd"), "utf8"), "as it was");
  assert.equal(readFileSync(join(root, TOKEN), "utf8"), "secret");
});

test("a path that leads out is refused", () => {
  const { root } = rig();
  assert.throws(() => writeInside(root, "/run/../../x", "", EVERYONE), /leads out/);
  assert.equal(existsSync(join(home, "x")), false);
});
