/** A real kubectl (from PATH) that reads logs and runs commands by the API: logs, exec, cp, port-forward. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test, { after, before, describe } from "node:test";
import { WebSocket } from "ws";
import type { JsonObject } from "../../src/api/kind.ts";
import { allKinds } from "../../src/api/registry.ts";
import { silentLog } from "../../src/base/log.ts";
import { systemClock } from "../../src/net/clock.ts";
import type { HttpListener } from "../../src/net/http-server.ts";
import { kubeconfig } from "../../src/sources/kube-api/kubeconfig.ts";
import type { PodAccess } from "../../src/sources/kube-api/pod-access.ts";
import { serveKubeApi } from "../../src/sources/kube-api/server.ts";
import { badRequest, succeeded } from "../../src/sources/status.ts";
import { openStore, type Store } from "../../src/sources/store/store.ts";

const missing = spawnSync("kubectl", ["version", "--client"]).error !== undefined;
const skip = missing ? "kubectl is not on PATH" : false;

const POD = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "app" },
  spec: {
    containers: [
      { name: "main", image: "x" },
      { name: "istio-proxy", image: "x" },
    ],
  },
};

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe("kubectl and what runs in pods", { skip }, () => {
  let directory = "";
  let store: Store;
  let server: HttpListener;
  const logged: string[] = [];
  const sizes: string[] = [];
  const killed: string[] = [];

  /** Commands run on this machine, as they are. */
  const pods: PodAccess = {
    now: () => Date.UTC(2026, 0, 1),
    logs: ({ container }, options, signal) => {
      logged.push(JSON.stringify({ container, ...options }));
      if (options.previous) return badRequest("previous terminated container not found");
      return succeeded(lines(options.follow, signal));
    },
    exec: (_into, { argv }) => {
      const [file = "", ...args] = argv;
      const child = spawn(file, args, { cwd: directory });
      const exited = new Promise<number>(done => {
        child.on("error", () => done(126));
        child.on("close", code => done(code ?? 137));
      });
      const { stdin, stdout, stderr } = child;
      const kill = () => {
        if (child.exitCode === null) killed.push(argv.join(" "));
        child.kill("SIGKILL");
      };
      const resize = ({ columns, rows }: { columns: number; rows: number }) =>
        void sizes.push(`${columns}x${rows}`);
      return Promise.resolve(succeeded({ stdin, stdout, stderr, exited, resize, kill }));
    },
    forwardLine: ({ namespace, name }, ports) =>
      `lateen --mesh two port-forward ${name} -n ${namespace} ${ports || "PORT"}`,
  };

  async function* lines(follow: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 3 && !signal.aborted; i++) yield Buffer.from(`line ${i}\n`);
    if (follow) yield Buffer.from("the last one\n");
  }

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "lateen-kubectl-pods-"));
    const ids = {
      uid: () => crypto.randomUUID(),
      suffix: () => crypto.randomUUID().slice(0, 5),
    };
    const opened = openStore({
      path: ":memory:",
      kinds: allKinds,
      clock: systemClock,
      log: silentLog,
      ids,
    });
    assert.ok(opened.ok);
    store = opened.value;
    const kind = allKinds.find(each => each.kind === "Pod");
    assert.ok(kind !== undefined);
    assert.ok(store.create(kind, "default", POD).ok);
    const running = (pod: JsonObject) => succeeded({ ...pod, status: { phase: "Running" } });
    assert.ok(store.modify(kind, "default", "app", running, { subresource: "status" }).ok);
    const at = { host: "127.0.0.1", port: 0 };
    server = await serveKubeApi({
      store,
      clock: systemClock,
      version: "0",
      log: silentLog,
      pods,
      ...at,
    });
    const url = `http://127.0.0.1:${server.port}`;
    writeFileSync(join(directory, "config"), kubeconfig({ server: url, name: "x" }));
  });

  after(async () => {
    await server.close();
    store.close();
    rmSync(directory, { recursive: true });
  });

  function run(words: readonly string[], input = ""): Promise<Outcome> {
    const env = {
      PATH: process.env["PATH"],
      HOME: directory,
      KUBECONFIG: join(directory, "config"),
    };
    return new Promise(done => {
      const child = spawn("kubectl", words, { env, timeout: 30_000 });
      let [out, err] = ["", ""];
      child.stdout.on("data", chunk => {
        out += String(chunk);
      });
      child.stderr.on("data", chunk => {
        err += String(chunk);
      });
      child.on("close", code => done({ code: code ?? -1, out, err }));
      child.stdin.end(input);
    });
  }

  test("logs, of a container, the last lines, and as they come", async () => {
    assert.equal((await run(["logs", "app", "-c", "main"])).out, "line 0\nline 1\nline 2\n");
    assert.match((await run(["logs", "app", "-c", "main", "-f"])).out, /the last one/);
    await run(["logs", "app", "-c", "istio-proxy", "--tail", "5"]);
    assert.deepEqual(logged.slice(-1), [
      '{"container":"istio-proxy","previous":false,"follow":false,"tail":5,"timestamps":false}',
    ]);
    await run(["logs", "app", "-c", "main", "--since", "1m", "--timestamps"]);
    const since = Date.UTC(2025, 11, 31, 23, 59);
    assert.deepEqual(logged.slice(-1), [
      `{"container":"main","previous":false,"follow":false,"since":${since},"timestamps":true}`,
    ]);
    await run(["logs", "app", "-c", "main", "--since-time", "2025-12-31T00:00:00Z"]);
    assert.match(logged.at(-1) ?? "", new RegExp(`"since":${Date.UTC(2025, 11, 31)}`));
    assert.equal(
      (await run(["logs", "app", "-c", "main", "--limit-bytes", "9"])).out,
      "line 0\nli",
    );
    assert.match((await run(["logs", "app", "-c", "main", "-p"])).err, /previous terminated/);
    assert.match((await run(["logs", "app", "-c", "nope"])).err, /nope is not valid for pod app/);
    assert.match((await run(["logs", "gone"])).err, /pods "gone" not found/);
  });

  test("exec passes bytes both ways, errors apart, and the exit code back", async () => {
    const ran = await run([
      "exec",
      "app",
      "-c",
      "main",
      "--",
      "sh",
      "-c",
      "echo out; echo err >&2; exit 7",
    ]);
    assert.deepEqual([ran.code, ran.out], [7, "out\n"]);
    assert.match(ran.err, /^err\n/);
    const text = "x".repeat(3_000_000);
    const echoed = await run(["exec", "-i", "app", "-c", "main", "--", "cat"], text);
    assert.equal(echoed.code, 0, echoed.err);
    assert.ok(echoed.out === text, `${echoed.out.length} bytes came back`);
    const quiet = await run(["exec", "app", "-c", "main", "--", "cat"]);
    assert.deepEqual([quiet.code, quiet.out], [0, ""]);
    assert.match((await run(["exec", "app", "-c", "nope", "--", "ls"])).err, /nope is not valid/);
  });

  test("cp goes both ways", async () => {
    const [there, back] = [join(directory, "there"), join(directory, "back")];
    writeFileSync(there, "some text\n".repeat(10_000));
    const up = await run(["cp", there, `default/app:${join(directory, "copied")}`, "-c", "main"]);
    assert.equal(up.code, 0, up.err);
    const down = await run(["cp", `default/app:${join(directory, "copied")}`, back, "-c", "main"]);
    assert.equal(down.code, 0, down.err);
    assert.equal(readFileSync(back, "utf8"), readFileSync(there, "utf8"));
  });

  test("port-forward names the line that does it", async () => {
    const { code, err } = await run(["port-forward", "app", "8080:80"]);
    assert.equal(code, 1);
    assert.match(err, /lateen --mesh two port-forward app -n default/);
  });

  const path = "/api/v1/namespaces/default/pods/app/exec?command=cat&stdin=true&stdout=true";
  const open = (query = "") =>
    new WebSocket(`ws://127.0.0.1:${server.port}${path}${query}`, ["v5.channel.k8s.io"]);

  test("a client that goes away ends its command; sizes are passed on; other channels are refused", async () => {
    const before = killed.length;
    const leaving = open("&tty=true");
    await new Promise(done => leaving.once("open", done));
    leaving.send(Buffer.from('\u0004{"Width":120,"Height":40}'));
    leaving.send(Buffer.from('\u0004{"Width":-1,"Height":40}'));
    leaving.send(Buffer.from("\u0000hello\n"));
    await new Promise(done => leaving.once("message", done));
    assert.deepEqual(sizes, ["120x40"]);
    leaving.terminate();
    while (killed.length === before) await new Promise(done => setTimeout(done, 5));
    const wrong = open();
    await new Promise(done => wrong.once("open", done));
    wrong.send(Buffer.from("\u0001x"));
    const code = await new Promise<number>(done => wrong.once("close", done));
    assert.equal(code, 1008);
    const large = open();
    await new Promise(done => large.once("open", done));
    large.send(Buffer.alloc(2 << 20));
    assert.equal(await new Promise<number>(done => large.once("close", done)), 1009);
    while (killed.length < before + 3) await new Promise(done => setTimeout(done, 5));
  });

  test("commands at once have a limit", async () => {
    const sockets = Array.from({ length: 70 }, () => open());
    const outcomes = await Promise.all(
      sockets.map(
        socket =>
          new Promise<string>(done => {
            socket.once("open", () => done("open"));
            socket.once("unexpected-response", (_request, response) =>
              done(String(response.statusCode)),
            );
            socket.once("error", error => done(error.message));
          }),
      ),
    );
    // Sessions of the tests before may still be counted for a moment.
    const opened = outcomes.filter(each => each === "open").length;
    assert.ok(opened <= 64 && opened > 55, String(opened));
    assert.equal(outcomes.filter(each => each === "429").length, 70 - opened);
    for (const socket of sockets) {
      socket.on("error", () => {});
      socket.terminate();
    }
  });
});
