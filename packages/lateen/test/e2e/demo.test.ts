/** `npm run demo`, as a process: what it shows, and that nothing of it stays, however it ends. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;
const root = join(import.meta.dirname, "../../../..");
const TIMEOUT_MS = 300_000;

describe("the demo", { skip }, () => {
  let home = "";
  const name = `d${process.pid.toString(36)}`;

  before(() => {
    home = mkdtempSync(join(tmpdir(), "lateen-demo-"));
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  const start = (flags: readonly string[]): { child: ChildProcess; output: () => string } => {
    const program = join(root, "scripts/demo.ts");
    const child = spawn(process.execPath, [program, "--mesh", name, ...flags], {
      env: { ...process.env, LATEEN_HOME: home },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        output += chunk.toString("utf8");
      });
    return { child, output: () => output };
  };

  const ended = (child: ChildProcess): Promise<number | null> =>
    new Promise(done => child.once("close", code => done(code)));

  /** What carries the mark of this mesh: its pods, their Envoys, its control plane. */
  const processesOf = (instance: string): string[] =>
    readdirSync("/proc").filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(instance);
      } catch {
        return false;
      }
    });

  const nothingIsLeft = (instances: ReadonlySet<string>): void => {
    assert.ok(instances.size > 0, "the mesh was seen while it was up");
    for (const instance of instances) assert.deepEqual(processesOf(instance), []);
    assert.equal(existsSync(join(home, name)), false, "its folder is gone");
  };

  const instanceOf = (): string | undefined => {
    try {
      const record = readFileSync(join(home, name, "runtime/processes.jsonl"), "utf8");
      return /"instance":"(\w+)"/.exec(record)?.[1];
    } catch {
      return undefined;
    }
  };

  test("shows traffic, a canary and mutual TLS as declared, and ends", async () => {
    const instances = new Set<string>();
    const { child, output } = start(["--exit"]);
    child.stdout?.on("data", () => {
      const instance = instanceOf();
      if (instance !== undefined) instances.add(instance);
    });
    const late = setTimeout(() => child.kill("SIGTERM"), TIMEOUT_MS);
    const code = await ended(child);
    clearTimeout(late);
    const text = output();
    assert.equal(code, 0, text);
    for (const expected of [
      /first answered request [\d.]+ seconds after the start/,
      /ok {6}60 of 60 answered 200, by 3 of 3 replicas/,
      /ok {6}a Gateway without a route answers 404/,
      /ok {6}through the gateway: 1000 of 1000 answered 200; v1\.0 100\.0 % \(declared 100 %\)/,
      /ok {6}through the gateway: .* v1\.0 [\d.]+ % \(declared 90 %\), v1\.1 [\d.]+ % \(declared 10 %\)/,
      /ok {6}from deploy\/sleep: .* v1\.0 [\d.]+ % \(declared 90 %\), v1\.1 [\d.]+ % \(declared 10 %\)/,
      /ok {6}through the gateway: .* v1\.1 100\.0 % \(declared 100 %\)/,
      /ok {6}from deploy\/sleep: .* v1\.1 100\.0 % \(declared 100 %\)/,
      /\d+ {2}mutual_tls {2}from sleep, spiffe:\/\/cluster\.local\/ns\/default\/sa\/sleep/,
      /ok {6}all of them came over mutual TLS/,
      /ok {6}20 of 20 answered 200, 20 counted as plaintext/,
      /ok {6}the control plane was killed: through the gateway, 0 of \d+ requests failed/,
      /ok {6}the control plane was killed: from deploy\/sleep, 0 of \d+ requests failed/,
      /ok {6}an Envoy of demoappv11 was killed: through the gateway, \d of \d+ requests failed/,
      /everything was as declared/,
    ])
      assert.match(text, expected);
    assert.doesNotMatch(text, /NOT OK/);
    const unexpected = text.replace(/^.* warn .*the control plane ended and is started.*$/m, "");
    assert.doesNotMatch(unexpected, / warn | error /, "nothing to worry about while it ends");
    nothingIsLeft(instances);
  });

  for (const [moment, signal] of [
    ["control plane:", "SIGINT"],
    ["waiting for the pods", "SIGTERM"],
  ] as const) {
    test(`${signal} at "${moment}" leaves nothing`, async () => {
      const instances = new Set<string>();
      const { child, output } = start([]);
      child.stdout?.on("data", () => {
        const instance = instanceOf();
        if (instance === undefined || !output().includes(moment)) return;
        if (instances.size === 0) child.kill(signal);
        instances.add(instance);
      });
      assert.equal(await ended(child), 1, output());
      assert.match(output(), /interrupted[\s\S]*nothing of it is left/);
      nothingIsLeft(instances);
    });
  }

  test("a mesh of the same name that somebody else made stays as it is", async () => {
    mkdirSync(join(home, name));
    const { child, output } = start(["--exit"]);
    assert.equal(await ended(child), 1);
    assert.match(output(), /holds a mesh that this demo did not make\n.*--mesh OTHER/);
    assert.equal(existsSync(join(home, name)), true);
  });
});
