import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { UserError } from "../cli/command.ts";
import { startTimeOf } from "../local/proc.ts";
import { meshNameOf, openLocalMesh } from "./local-mesh.ts";
import { chosenMesh, createMeshHome, meshHome, writeState } from "./mesh-home.ts";

/** The state of a mesh whose supervisor is this process, or one that is gone. */
function recordMesh(home: string, name: string, alive: boolean): void {
  const place = meshHome(home, name);
  createMeshHome(place);
  const startTime = alive ? (startTimeOf(process.pid) ?? "") : "0";
  writeState(place, {
    supervisor: { pid: process.pid, startTime },
    api: { url: "", token: "", ca: "" },
    debugUrl: "",
    ingress: undefined,
    startedAt: "",
  });
}

test("without a name, the only mesh that runs is meant, or the one of the default name", t => {
  const home = mkdtempSync(join(tmpdir(), "lateen-home-"));
  t.after(() => rmSync(home, { recursive: true }));
  assert.deepEqual(chosenMesh(join(home, "none"), undefined), { name: "default" });
  assert.deepEqual(chosenMesh(home, undefined), { name: "default" });
  recordMesh(home, "crashed", false);
  assert.deepEqual(chosenMesh(home, undefined), { name: "default" });
  recordMesh(home, "one", true);
  assert.deepEqual(chosenMesh(home, undefined), { name: "one" });
  assert.deepEqual(chosenMesh(home, "crashed"), { name: "crashed" });
  recordMesh(home, "two", true);
  assert.deepEqual(chosenMesh(home, undefined), { ambiguous: ["one", "two"] });
  assert.throws(() => meshNameOf(home, undefined), /which mesh\? 2 are running: one, two/);
  assert.equal(meshNameOf(home, "two"), "two");
  recordMesh(home, "default", true);
  assert.deepEqual(chosenMesh(home, undefined), { name: "default" });
});

test("a mesh that has died is named, with what to do", t => {
  const home = mkdtempSync(join(tmpdir(), "lateen-home-"));
  t.after(() => rmSync(home, { recursive: true }));
  const refusal = (named: string | undefined) => {
    try {
      openLocalMesh(home, named);
    } catch (error) {
      if (error instanceof UserError) return `${error.message}\n${error.hint}`;
    }
    return "";
  };
  assert.match(refusal(undefined), /^no mesh is running on this machine\n.*'lateen up'/);
  assert.match(refusal("one"), /^no mesh "one" is running.*\nstart it with 'lateen up --mesh one'/);
  recordMesh(home, "one", false);
  assert.match(refusal("one"), /^mesh "one" is not running: its process \d+ has died\n/);
  assert.match(refusal("one"), /'lateen up --mesh one'.*'lateen down --mesh one'/);
  recordMesh(home, "default", false);
  assert.match(
    refusal(undefined),
    /^mesh "default" is not running.*\n.*'lateen up'.*'lateen down'/,
  );
});
