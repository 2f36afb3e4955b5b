/** Which mesh each command is about, a local one or one in a cluster: one rule, and no command beside it. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { root } from "../../src/bin/command-tree.ts";
import { meshHome, writeState } from "../../src/bin/mesh-home.ts";
import { sayOnce, type WhichMesh, whichMesh } from "../../src/bin/which-mesh.ts";
import { type Command, type FlagValues, UserError } from "../../src/cli/command.ts";
import type { CliContext } from "../../src/cli/context.ts";
import { runCli } from "../../src/cli/main.ts";
import { startTimeOf } from "../../src/local/proc.ts";
import { type FakeCluster, fakeCluster } from "../support/fake-cluster.ts";

/**
 * Every command with words that let it begin. `mesh`: about whichever is meant; `cluster`: only about one in
 * a cluster; `machine`: only about this machine's; `none`: about no mesh at all.
 */
const COMMANDS: readonly (readonly [string, "mesh" | "cluster" | "machine" | "none"])[] = [
  ["apply -f OBJECT", "mesh"],
  ["completion bash", "none"],
  ["delete gateway x", "mesh"],
  ["discovery", "none"],
  ["down", "machine"],
  ["exec x -- true", "mesh"],
  ["experimental check-inject x", "mesh"],
  ["experimental injector list", "mesh"],
  ["experimental precheck", "cluster"],
  ["experimental uninstall --purge -y", "cluster"],
  ["get pods", "mesh"],
  ["install -y", "cluster"],
  ["kube-inject -f OBJECT", "mesh"],
  ["label pod x a=b", "mesh"],
  ["logs x", "mesh"],
  ["manifest generate --cluster-specific", "cluster"],
  ["manifest install -y", "cluster"],
  ["manifest translate", "none"],
  ["port-forward pod/x 80:80", "mesh"],
  ["profile diff default demo", "none"],
  ["profile dump demo", "none"],
  ["profile list", "none"],
  ...[
    "all",
    "bootstrap",
    "cluster",
    "ecds",
    "eds",
    "endpoint",
    "listener",
    "log",
    "route",
    "secret",
  ].map(each => [`proxy-config ${each} x`, "mesh"] as const),
  ["proxy-config rootca-compare x y", "mesh"],
  ["proxy-status", "mesh"],
  ["tag generate prod --revision default", "cluster"],
  ["tag list", "cluster"],
  ["tag remove prod -y", "cluster"],
  ["tag set prod --revision default -y", "cluster"],
  ["uninstall --purge -y", "cluster"],
  ["up", "machine"],
  ["upgrade -y", "cluster"],
  ["verify-install", "cluster"],
  ["version", "mesh"],
];

function leaves(command: Command, path: readonly string[] = []): string[] {
  const own = command.run === undefined ? [] : [path.join(" ")];
  return [...own, ...(command.subcommands ?? []).flatMap(sub => leaves(sub, [...path, sub.name]))];
}

const of = (kind: string): string[] =>
  COMMANDS.filter(([, each]) => each === kind).map(([line]) => line);

test("the table has every command", () => {
  const known = leaves(root);
  const listed = COMMANDS.map(([line]) =>
    known.filter(name => `${line} `.startsWith(`${name} `)).at(-1),
  );
  assert.deepEqual(listed.sort(), known.sort());
});

interface Bed {
  readonly home: string;
  readonly cluster: FakeCluster;
  readonly object: string;
}

const OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default}\n";

/** A home where a mesh runs, if asked for, and a cluster that nothing names yet. */
async function bed(t: TestContext, running: boolean): Promise<Bed> {
  const home = mkdtempSync(join(tmpdir(), "lateen-which-"));
  const names = ["HOME", "KUBECONFIG", "LATEEN_MESH", "KUBERNETES_SERVICE_HOST"];
  const before = names.map(name => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  process.env["HOME"] = home;
  t.after(() => {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    rmSync(home, { recursive: true, force: true });
  });
  const place = meshHome(home, "default");
  mkdirSync(place.dir);
  writeFileSync(place.kubeconfigFile, "{}");
  const startTime = startTimeOf(process.pid) ?? "";
  const supervisor = { pid: process.pid, startTime };
  const api = { url: "", token: "", ca: "" };
  const more = { debugUrl: "", ingress: undefined, startedAt: "" };
  if (running) writeState(place, { supervisor, api, ...more });
  const object = join(home, "object.yaml");
  writeFileSync(object, OBJECT);
  return { home, cluster: await fakeCluster(t), object };
}

interface Told {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What `ctx.mesh()` would have opened. */
  readonly opened: WhichMesh["kind"] | undefined;
}

/** The whole program in this process, but for what opening a mesh would do. */
async function lateen({ home, object }: Bed, line: string): Promise<Told> {
  let stdout = "";
  let stderr = "";
  let opened: Told["opened"];
  const output = {
    write: (text: string): void => {
      stdout += text;
    },
  };
  const errors = {
    write: (text: string): void => {
      stderr += text;
    },
  };
  const never = (): Promise<never> => Promise.reject(new UserError("nobody is there"));
  const createContext = (flags: FlagValues): CliContext => ({
    stdout: output,
    stderr: errors,
    version: "0.1.0",
    now: () => 0,
    pause: () => Promise.resolve(),
    meshName: undefined,
    home,
    mesh: async () => {
      const which = whichMesh(flags, home);
      sayOnce(errors, which.note);
      opened = which.kind;
      throw new UserError("opened");
    },
    readFile: async () => OBJECT,
    objectFiles: async path => [path],
    readStdin: never,
    interrupted: never,
    namespace: "default",
    compat: undefined,
  });
  const words = line.split(" ").map(word => (word === "OBJECT" ? object : word));
  const host = { root, stdout: output, stderr: errors, createContext };
  const code = await runCli(words, host);
  return { code, stdout, stderr, opened };
}

const NOTE_CLUSTER =
  /^about the cluster of KUBECONFIG \(.*\); --mesh means a mesh of this machine \(running: default\)$/m;
const NOTE_LOCAL =
  /^about mesh "default" of this machine \(.*\); --kubeconfig or --context means a cluster/m;
const REFUSED =
  /^this command is about a Kubernetes cluster, and (a mesh|mesh "default") of this machine is meant/m;

test("KUBECONFIG and a mesh that runs: every command is about the cluster, and says so", async t => {
  const it = await bed(t, true);
  process.env["KUBECONFIG"] = it.cluster.kubeconfig;
  for (const line of of("mesh")) {
    const { opened, stderr } = await lateen(it, line);
    assert.equal(opened, "cluster", line);
    assert.match(stderr, NOTE_CLUSTER, line);
    assert.equal(stderr.split("about the cluster").length, 2, `${line}: once`);
  }
  for (const line of of("cluster")) {
    const before = it.cluster.asked.length;
    const { stderr } = await lateen(it, line);
    assert.ok(it.cluster.asked.length > before, `${line}: ${stderr}`);
    assert.match(stderr, NOTE_CLUSTER, line);
  }
});

test("a mesh that runs, and a cluster of habit: the local one, which is said; nothing touches the cluster", async t => {
  const it = await bed(t, true);
  mkdirSync(join(it.home, ".kube"));
  writeFileSync(join(it.home, ".kube", "config"), "{}");
  for (const line of of("mesh")) {
    const { opened, stderr } = await lateen(it, line);
    assert.equal(opened, "local", line);
    assert.match(stderr, NOTE_LOCAL, line);
  }
  for (const line of of("cluster")) {
    const { code, stderr } = await lateen(it, line);
    assert.equal(code, 1, line);
    assert.match(stderr, REFUSED, line);
    assert.match(stderr, /name the cluster: --context NAME or --kubeconfig FILE/);
  }
});

test("LATEEN_MESH, and the kubeconfig that 'lateen up' writes, name the local mesh", async t => {
  const it = await bed(t, true);
  process.env["KUBECONFIG"] = it.cluster.kubeconfig;
  process.env["LATEEN_MESH"] = "default";
  for (const line of ["proxy-status", "version"]) {
    const { opened, stderr } = await lateen(it, line);
    assert.equal(opened, "local");
    assert.match(stderr, NOTE_LOCAL);
  }
  assert.match((await lateen(it, "uninstall --purge -y")).stderr, REFUSED);
  delete process.env["LATEEN_MESH"];
  const own = meshHome(it.home, "default").kubeconfigFile;
  process.env["KUBECONFIG"] = own;
  const { opened, stderr } = await lateen(it, "proxy-status");
  assert.deepEqual([opened, stderr], ["local", "opened\n"]);
  assert.match((await lateen(it, "uninstall --purge -y")).stderr, REFUSED);
  delete process.env["KUBECONFIG"];
  assert.equal((await lateen(it, `proxy-status --kubeconfig ${own}`)).opened, "local");
  assert.match((await lateen(it, `uninstall --purge -y --kubeconfig ${own}`)).stderr, REFUSED);
  assert.deepEqual(it.cluster.asked, []);
});

test("flags go before everything, without a word, and may not contradict one another", async t => {
  const it = await bed(t, true);
  process.env["KUBECONFIG"] = "/nowhere";
  process.env["LATEEN_MESH"] = "default";
  const named = `--kubeconfig ${it.cluster.kubeconfig}`;
  const cluster = await lateen(it, `proxy-status ${named}`);
  assert.deepEqual([cluster.opened, cluster.stderr], ["cluster", "opened\n"]);
  delete process.env["LATEEN_MESH"];
  const local = await lateen(it, "proxy-status --mesh default");
  assert.deepEqual([local.opened, local.stderr], ["local", "opened\n"]);
  const before = it.cluster.asked.length;
  const uninstalled = await lateen(it, `uninstall --purge -y ${named}`);
  assert.deepEqual([uninstalled.code, uninstalled.stderr], [0, ""]);
  assert.ok(it.cluster.asked.length > before);
  const asked = it.cluster.asked.length;
  assert.match((await lateen(it, "uninstall --purge -y --mesh default")).stderr, REFUSED);
  for (const line of [...of("mesh"), ...of("cluster")]) {
    const [head = "", ...tail] = line.split(" -- ");
    const both = [`${head} --mesh default ${named}`, ...tail].join(" -- ");
    const { stdout, stderr } = await lateen(it, both);
    assert.match(
      stdout + stderr,
      /^--mesh names a mesh of this machine, and --kubeconfig a cluster$/m,
      line,
    );
  }
  assert.equal(it.cluster.asked.length, asked);
  for (const line of of("machine")) {
    const { stderr } = await lateen(it, `${line} ${named}`);
    assert.match(
      stderr,
      /^this command is about a mesh of this machine, and --kubeconfig names a cluster$/m,
    );
  }
});

test("where only one of the two is there, it is meant, and nothing is said", async t => {
  const local = await bed(t, true);
  const { opened, stderr } = await lateen(local, "proxy-status");
  assert.deepEqual([opened, stderr], ["local", "opened\n"]);
  assert.match((await lateen(local, "verify-install")).stderr, REFUSED);
  const none = await bed(t, false);
  process.env["KUBECONFIG"] = none.cluster.kubeconfig;
  const there = await lateen(none, "proxy-status");
  assert.deepEqual([there.opened, there.stderr], ["cluster", "opened\n"]);
  delete process.env["KUBECONFIG"];
  // Nothing at all: what is missing is said by who would need it.
  assert.equal((await lateen(none, "proxy-status")).opened, "local");
  assert.match((await lateen(none, "uninstall --purge -y")).stderr, /no such file.*kubeconfig/);
});
