/** What a container that runs as root does not see and can not do to the machine. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { JsonObject } from "../../src/api/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import { runCommand } from "../../src/local/command.ts";
import { RunningPod } from "../../src/local/pod.ts";
import { execCommand } from "../../src/local/pod-processes.ts";
import { quote } from "../../src/local/quote.ts";
import { eventually } from "../support/envoy-process.ts";
import { needsRoot, type PodMesh, startPodMesh } from "../support/pod-mesh.ts";

const skip = needsRoot();

describe("root in a container", { skip }, () => {
  let mesh: PodMesh;
  const pods: RunningPod[] = [];
  before(async () => {
    mesh = await startPodMesh();
    writeFileSync(join(mesh.context.stateDir, "store.db"), "the CA's key");
  });
  after(async () => {
    await Promise.all(pods.map(pod => pod.terminate(0)));
    await mesh.stop();
  });

  async function run(name: string, container: JsonObject, spec: JsonObject = {}) {
    const decoded = podKind.decode({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default", uid: `uid-${name}-${process.pid}` },
      spec: {
        nodeName: "node",
        containers: [{ name: "app", image: "app", ...container }],
        ...spec,
      },
    });
    assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
    const pod = new RunningPod(decoded.value, mesh.context, () => {});
    pods.push(pod);
    await pod.start();
    return pod;
  }

  /** Runs a shell script in the pod as `lateen exec` does; its output and how it ended. */
  const shell = (name: string, script: string): Promise<string> => shellIn(name, "app", script);
  const proxyShell = (name: string, script: string): Promise<string> =>
    shellIn(name, "istio-proxy", script);

  async function shellIn(name: string, container: string, script: string): Promise<string> {
    const pod = { namespace: "default", name };
    const found = await execCommand(mesh.context.stateDir, pod, container, ["sh", "-c", script]);
    assert.ok(found.ok, JSON.stringify(found.diagnostics));
    const { file, args, env } = found.value;
    const { stdout, stderr, code } = await runCommand(file, args, { env });
    return `${stdout}${stderr}exit ${code}`;
  }

  const sleeper = { command: ["sleep", "infinity"] };

  test("does not see what the mesh keeps, nor another pod's token", async () => {
    const pod = await run("reader", sleeper);
    const { stateDir } = mesh.context;
    assert.equal(await shell("reader", `ls -A ${stateDir}`), "exit 0");
    assert.match(await shell("reader", `cat ${stateDir}/store.db`), /No such file.*exit 1$/s);
    assert.match(await shell("reader", `touch ${stateDir}/x`), /Read-only.*exit 1$/s);
    assert.match(await shell("reader", `umount ${stateDir}`), /exit [1-9]/);
    assert.equal(readFileSync(join(stateDir, "store.db"), "utf8"), "the CA's key");
    await run("neighbour", sleeper);
    const tokens =
      "cat /proc/[0-9]*/root/run/secrets/tokens/istio-token 2>/dev/null | sort -u | wc -l";
    assert.match(await shell("reader", tokens), /^0\nexit 0$/, "a pod without a proxy has none");
    assert.equal(pod.ending, false);
  });

  test("does not get at its own pod's token, by whatever user and capability it has", async () => {
    const pod = new RunningPod(
      mesh.inject({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "thief", namespace: "default", uid: `uid-thief-${process.pid}` },
        spec: {
          nodeName: "node",
          containers: [
            {
              name: "app",
              image: "app",
              ...sleeper,
              securityContext: { capabilities: { add: ["SYS_PTRACE", "DAC_READ_SEARCH"] } },
              volumeMounts: [{ name: "v", mountPath: "/shared" }],
            },
          ],
          volumes: [{ name: "v", emptyDir: {} }],
        },
      }),
      mesh.context,
      () => {},
    );
    pods.push(pod);
    await pod.start();
    const token = (): string | undefined =>
      mesh.controlPlane.tokens.findLast(each => each.includes("thief"))?.replace("Bearer ", "");
    await eventually("Envoy has shown its token", () => token() !== undefined);
    const secret = token() ?? "";
    const proxy = await proxyShell("thief", "cat /run/secrets/tokens/istio-token");
    assert.equal(proxy, `${secret}exit 0`, "it is where Envoy reads it");
    // Not by name, not through another process' root, memory or files, not as Envoy's user either.
    const search =
      "for f in /run/secrets/tokens/istio-token /proc/[0-9]*/root/run/secrets/tokens/istio-token " +
      "/proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/maps; do cat $f; done 2>/dev/null; " +
      'grep -rsF -e "$0" /run /shared /dev/shm 2>/dev/null; ls /run/secrets 2>&1; cat /proc/[0-9]*/comm';
    for (const user of ["0", "1337"]) {
      const script = `setpriv --reuid ${user} --regid ${user} --clear-groups sh -c '${search}' '${secret}'`;
      const seen = await shell("thief", script);
      assert.ok(!seen.replaceAll(`'${secret}'`, "").includes(`\n${secret}`), seen);
      assert.doesNotMatch(seen, /^envoy$/m, "the proxy is not among its processes");
    }
    // Neither by the namespaces of another process, nor by ones of its own.
    for (const way of [
      "nsenter --target 1 --mount cat /run/secrets/tokens/istio-token",
      "unshare --user --map-root-user --mount --pid --fork --mount-proc cat /run/secrets/tokens/istio-token",
      "unshare --mount cat /run/secrets/tokens/istio-token",
      "mount -t proc proc /mnt && cat /mnt/[0-9]*/root/run/secrets/tokens/istio-token",
      "chroot /proc/1/root cat /run/secrets/tokens/istio-token",
    ])
      assert.doesNotMatch(await shell("thief", way), new RegExp(`${secret}|exit 0$`), way);
    // What Envoy tells on its admin interface, which the pod's loopback has.
    const dump = await shell(
      "thief",
      "curl -s '127.0.0.1:15000/config_dump?include_eds'; curl -s 127.0.0.1:15000/certs; " +
        "curl -s 127.0.0.1:15000/server_info; curl -s -X POST '127.0.0.1:15000/logging?level=trace'",
    );
    assert.match(dump, /xds-token/);
    assert.ok(!dump.includes(secret));
    // What is put in its way leads it nowhere.
    await shell("thief", "mkdir -p /run/secrets && ln -sfn /shared /run/secrets/tokens");
    assert.equal(await shell("thief", "ls /shared"), "exit 0");
    await eventually("a file that both mount is shared", async () => {
      await proxyShell("thief", "touch /run/lateen/volumes/v/socket");
      return (await shell("thief", "ls /shared")) === "socket\nexit 0";
    });
  });

  test("exec -t gives a shell a terminal of the pod's, with jobs and its exit code", async () => {
    await run("terminal", sleeper);
    const pod = { namespace: "default", name: "terminal" };
    const argv = ["sh", "-i", "-c", "test -t 0 && tty && set -m && (exit 7)"];
    const found = await execCommand(mesh.context.stateDir, pod, undefined, argv, true);
    assert.ok(found.ok, JSON.stringify(found.diagnostics));
    const { file, args, env } = found.value;
    // The terminal from which it is called.
    const line = [file, ...args].map(quote).join(" ");
    const { stdout, code } = await runCommand("script", ["-qec", line, "/dev/null"], { env });
    assert.match(stdout, /\/dev\/pts\/0/);
    assert.doesNotMatch(stdout, /tty process group|job control/);
    assert.equal(code, 7, stdout);
  });

  test("a volume over a folder above uncovers nothing", async () => {
    const { stateDir } = mesh.context;
    const volumeMounts = [{ name: "v", mountPath: `${stateDir}-beside/x` }];
    await run("layered", { ...sleeper, volumeMounts }, { volumes: [{ name: "v", emptyDir: {} }] });
    assert.equal(await shell("layered", `ls -A ${stateDir}`), "exit 0");
    assert.equal(await shell("layered", `touch ${stateDir}-beside/x/y`), "exit 0");
  });

  test("sees only the pod's processes, and can signal no other", async () => {
    const victim = spawn("sleep", ["1000"], { stdio: "ignore" });
    try {
      await run("killer", sleeper);
      const kill = await shell("killer", `kill -9 ${process.pid} ${victim.pid}`);
      assert.equal(kill.match(/No such process/g)?.length, 2);
      const programs = await shell("killer", "cat /proc/[0-9]*/comm");
      assert.equal(programs, "sleep\nsleep\nsh\nexit 0");
      await shell("killer", "kill -9 -1");
      assert.equal(victim.exitCode ?? victim.signalCode, null);
    } finally {
      victim.kill("SIGKILL");
    }
  });

  test("finds no disk, no kernel switch and no way to make a device", async () => {
    await run("maker", sleeper);
    assert.equal(await shell("maker", "find /dev -type b | wc -l"), "0\nexit 0");
    assert.match(await shell("maker", "mknod /dev/disk b 254 0"), /exit [1-9]/);
    for (const file of ["/proc/sys/kernel/core_pattern", "/sys/kernel/uevent_seqnum"])
      assert.match(await shell("maker", `: > ${file}`), /Read-only.*exit [1-9]/s, file);
    assert.match(await shell("maker", "mount -t tmpfs x /mnt"), /exit [1-9]/);
    assert.equal(
      await shell("maker", "echo x > /dev/null; : < /dev/urandom; test -w /dev/shm"),
      "exit 0",
    );
    assert.equal(
      await shell("maker", "ls -l /dev/fd/ > /dev/null && echo out | cat /dev/stdin"),
      "out\nexit 0",
    );
  });

  test("does not reach what listens on the machine's loopback", async () => {
    const server = createServer(socket => socket.end("plaintext xDS"));
    await new Promise<void>(done => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const { port } = address;
    await run("dialler", sleeper);
    const { hostAddress, gateway } = mesh.node.plan;
    for (const host of ["127.0.0.1", "localhost", hostAddress, gateway])
      assert.match(
        await shell("dialler", `curl -sS -m 3 http://${host}:${port}/`),
        /exit [1-9]/,
        host,
      );
    server.close();
  });

  test("has a fixed environment: nothing of who started the mesh", async () => {
    process.env["LATEEN_TEST_SECRET"] = "mine";
    await run("plain", { ...sleeper, workingDir: "/usr" });
    const environment = await shell("plain", "env; pwd");
    assert.doesNotMatch(environment, /LATEEN_TEST_SECRET/);
    assert.match(environment, /^PATH=\/run\/lateen\/bin:\/usr\/local\/sbin:/m);
    assert.match(environment, /^PWD=\/usr$/m);
    const names = environment.split("\n").flatMap(line => /^([A-Z_]+)=/.exec(line)?.[1] ?? []);
    assert.deepEqual(names.filter(name => !name.startsWith("LATEEN_")).sort(), [
      "HOME",
      "HOSTNAME",
      "PATH",
      "PWD",
    ]);
  });

  test("has the capabilities and privileges that its security context leaves", async () => {
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
    await run("bare", { ...sleeper, securityContext });
    const status = await shell("bare", "cat /proc/self/status");
    assert.match(status, /^CapBnd:\s+0+$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
  });

  test("that ends leaves none of its processes, and no zombie while the pod runs", async () => {
    const orphan = "setsid sh -c 'sleep 0.05 & exit 0'; sleep 0.3; ps -o stat= -A | grep -c Z";
    await run("parent", {
      command: ["sh", "-c", "setsid sleep 4242 & setsid env -i sleep 4243 & wait"],
    });
    assert.equal(await shell("parent", orphan), "0\nexit 1");
    const pod = pods.at(-1);
    const text = JSON.stringify(pod?.status());
    const pid = Number(/process:\/\/(\d+)/.exec(text)?.[1]);
    assert.equal(readFileSync(`/proc/${pid}/comm`, "utf8"), "sh\n");
    await pod?.terminate(0);
    await eventually("all are gone", async () => {
      const { stdout } = await runCommand("ps", ["-A", "-o", "args="]);
      return !/^sleep 424[23]$/m.test(stdout);
    });
  });

  test("that is killed ends with 137, and a SIGTERM is given the time to be answered", async () => {
    const script = "trap 'sleep 0.3; echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done";
    const pod = await run("graceful", { command: ["sh", "-c", script] });
    const log = join(pod.logDirectory("app"), "0.log");
    await eventually("it is up", () => readFileSync(log, "utf8") === "up\n");
    const ending = pod.terminate(5000, false);
    await ending;
    assert.match(JSON.stringify(pod.status()), /"exitCode":7/);
    const deafScript = "trap '' TERM; echo up; sleep 1000";
    const deaf = await run("deaf", { command: ["sh", "-c", deafScript] });
    const deafLog = join(deaf.logDirectory("app"), "0.log");
    await eventually("it is up, too", () => readFileSync(deafLog, "utf8") === "up\n");
    await deaf.terminate(300, false);
    assert.match(JSON.stringify(deaf.status()), /"exitCode":137/);
  });
});
