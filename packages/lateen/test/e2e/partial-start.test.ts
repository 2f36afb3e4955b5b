/** `lateen up` that fails, or is ended, on its way: it ends, says why, and nothing of it is left. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;
const program = join(import.meta.dirname, "../../bin/lateen.mjs");
const name = `p${process.pid.toString(36)}`;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** In a process group of its own, as a shell starts it. */
function lateen(home: string, ...words: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [program, ...words], {
    detached: true,
    env: { ...process.env, LATEEN_HOME: home, LATEEN_MESH: name },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => {
    said.stdout += chunk.toString("utf8");
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    said.stderr += chunk.toString("utf8");
  });
  const ended = new Promise<Ended>(done => child.on("close", code => done({ code, ...said })));
  return { child, ended };
}

function fill(directory: string, freeKb: number): void {
  const { bavail, bsize } = statfsSync(directory);
  try {
    writeFileSync(join(directory, "fill"), Buffer.alloc(bavail * bsize - freeKb * 1024));
  } catch (error) {
    // The last page of all may be the file's own.
    assert.equal(freeKb, 0, String(error));
  }
}

/** Processes and links of this test's meshes. */
function left(home: string): string[] {
  const processes = readdirSync("/proc").filter(pid => /^\d+$/.test(pid));
  const found = processes.filter(pid => environmentOf(pid).includes(`LATEEN_HOME=${home}\0`));
  return found.filter(pid => Number(pid) !== process.pid);
}

function environmentOf(pid: string): string {
  try {
    return `${execFileSync("cat", [`/proc/${pid}/environ`], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })}\0`;
  } catch {
    return "";
  }
}

function links(): string[] {
  return readdirSync("/sys/class/net").filter(link => link.startsWith("lt-"));
}

describe("`lateen up` on a disk that is full", { skip }, () => {
  let home = "";
  before(() => {
    home = mkdtempSync(join(tmpdir(), "lateen-full-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "lateen-test", home]);
  });
  after(() => {
    execFileSync("umount", [home]);
    rmSync(home, { recursive: true });
  });

  // From nothing at all to what is just too little for a mesh that is up.
  for (const freeKb of [0, 12, 120, 220])
    test(`${freeKb} KB free: it ends, with the reason, and gives all back`, async () => {
      for (const entry of readdirSync(home)) rmSync(join(home, entry), { recursive: true });
      fill(home, freeKb);
      const before = links();
      const up = lateen(home, "up");
      const { code, stderr, stdout } = await up.ended;
      assert.equal(code, 1, stdout + stderr);
      assert.match(stderr, /ENOSPC|disk is full|no space left|control plane/i, stderr);
      assert.doesNotMatch(stderr, /^ +at /m, "a sentence, and no stack");
      assert.deepEqual(left(home), []);
      assert.deepEqual(
        links().filter(link => !before.includes(link)),
        [],
      );
      const down = await lateen(home, "down").ended;
      assert.equal(down.stdout, `mesh "${name}" is not running\n`);
    });
});

describe("`lateen up` that is ended before it is up", { skip }, () => {
  let home = "";
  before(() => {
    home = mkdtempSync(join(tmpdir(), "lateen-early-"));
  });
  after(async () => {
    await lateen(home, "down").ended;
    rmSync(home, { recursive: true });
  });

  // What it prints when it has come so far; undefined: as soon as it has its home.
  for (const at of [undefined, "envoy ", "store: ", "control plane: "]) {
    const when = at === undefined ? "at once" : `at "${at.trim()}"`;
    test(`Ctrl-C ${when} ends it without a line of errors`, async () => {
      const { child, ended } = lateen(home, "up");
      await has(home, child, at);
      process.kill(-(child.pid ?? 0), "SIGINT");
      const { code, stderr, stdout } = await ended;
      assert.equal(stderr, "");
      assert.equal(code, 130, stdout);
      assert.match(stdout, /was not started, and nothing of it is left\n$/);
      assert.deepEqual(left(home), []);
    });

    test(`down ${when} ends it`, async () => {
      const { child, ended } = lateen(home, "up");
      await has(home, child, at);
      if (at === undefined) {
        const second = await lateen(home, "up").ended;
        assert.match(
          second.stderr,
          /is (being started or ended|running) already, as process \d+\n/,
        );
      }
      const down = await lateen(home, "down").ended;
      // It may have come up in between.
      assert.match(
        down.stdout,
        new RegExp(`^mesh "${name}" is down(; it was not up yet)?\n$`),
        down.stderr,
      );
      await ended;
      assert.deepEqual(left(home), []);
    });
  }

  test("a purge says what it has removed", async () => {
    const purged = await lateen(home, "down", "--purge").ended;
    const dir = join(home, name);
    assert.match(
      purged.stdout,
      new RegExp(
        `is not running\nremoved ${dir}: .*store\\.db \\(what was applied, and the CA's key\\)`,
      ),
    );
    assert.equal(existsSync(dir), false);
    const again = await lateen(home, "down", "--purge").ended;
    assert.match(again.stdout, new RegExp(`nothing to remove: there is no ${dir}\n`));
  });
});

/** It has its home, and has printed `text`. */
async function has(home: string, child: ChildProcess, text: string | undefined): Promise<void> {
  let output = "";
  const said = new Promise<void>(done => {
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
      if (text !== undefined && output.includes(text)) done();
    });
    child.on("exit", () => done());
  });
  if (text !== undefined) return await said;
  while (child.exitCode === null && !existsSync(join(home, name, "supervisor.json")))
    await new Promise(next => setTimeout(next, 5));
}

describe("a mesh that comes back", { skip }, () => {
  test("has the addresses that it had, and says who else has them", async () => {
    const mesh = await RunningMesh.start([], "r");
    try {
      const prefix = () => /^10\.\d+/.exec(mesh.ingress)?.[0] ?? "";
      const range = prefix();
      await mesh.ok("down");
      // Another one does not take what is kept, where there is something else.
      await mesh.startAgain();
      assert.equal(prefix(), range);
      await mesh.ok("down");
      const address = ["dev", "lo", `${range}.7.7/32`];
      execFileSync("ip", ["address", "add", ...address]);
      try {
        const { code, stderr } = await mesh.lateen("up");
        assert.equal(code, 1);
        assert.match(
          stderr,
          new RegExp(
            `^${range}.0.0/16, which this mesh had before, is taken ` +
              `\\(${range}\\.7\\.7\\S* on interface lo\\)\n.*or remove ${mesh.path("network.json")}`,
          ),
        );
      } finally {
        execFileSync("ip", ["address", "delete", ...address]);
      }
      await mesh.startAgain();
      assert.equal(prefix(), range);
    } finally {
      await mesh.stop();
    }
  });
});
