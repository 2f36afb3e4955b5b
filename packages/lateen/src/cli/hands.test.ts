/** What people type who know kubectl: it works, or the line for kubectl is printed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FlagValues } from "./command.ts";
import type { ApiCall, CliContext, MeshAccess } from "./context.ts";
import { shellWord } from "./kubectl.ts";
import { createRoot, runCli } from "./main.ts";

const pod = (name: string, ip: string) => ({
  metadata: { name, namespace: "default", labels: { app: name } },
  spec: {
    initContainers: [{ name: "init" }],
    containers: [{ name: "istio-proxy" }, { name: "app" }],
  },
  status: { podIP: ip },
});
const PODS = [pod("sleep", "10.0.0.1"), pod("web", "10.0.0.2")];
const COLUMNS = [{ name: "Name" }, { name: "Status" }];
const tableOf = (name: string, status: string, definitions: readonly object[] = []) => ({
  metadata: { resourceVersion: "7" },
  columnDefinitions: definitions,
  rows: [{ cells: [name, status], object: { metadata: { name } } }],
});
const MANIFEST = JSON.stringify({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "fresh" },
});

interface Told {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
  readonly calls: readonly string[];
}

async function run(words: readonly string[]): Promise<Told> {
  const printed = { stdout: "", stderr: "" };
  const calls: string[] = [];
  const answer = ({ path, method, accept }: ApiCall): unknown => {
    if (path === "/api") return { kind: "APIVersions", versions: ["v1"] };
    if (path === "/apis") return { groups: [] };
    if (path === "/api/v1")
      return {
        resources: [{ name: "pods", singularName: "pod", kind: "Pod", namespaced: true }],
      };
    calls.push(`${method} ${path}`);
    if (method !== "GET") return {};
    if (path.endsWith("/pods/fresh")) return undefined;
    if (accept?.includes("as=Table") === true) return tableOf("sleep", "Pending", COLUMNS);
    const [sleep, web] = PODS;
    if (path.endsWith("/pods/web")) return web;
    return path.endsWith("/pods/sleep")
      ? sleep
      : { kind: "List", metadata: { resourceVersion: "7" }, items: PODS };
  };
  const mesh: MeshAccess = {
    api: call => {
      const body = answer(call);
      const missing = { reason: "NotFound", message: "not found" };
      return Promise.resolve({
        status: body === undefined ? 404 : 200,
        body: body ?? missing,
        warnings: [],
      });
    },
    follow: async (call, { onLines }) => {
      calls.push(`FOLLOW ${call.path}`);
      const isTable = call.accept?.includes("as=Table") === true;
      const object = isTable ? tableOf("sleep", "Running") : PODS[1];
      const lines = [
        { type: "MODIFIED", object },
        { type: "BOOKMARK", object: {} },
      ];
      onLines(lines.map(each => JSON.stringify(each)));
      return undefined;
    },
    envoyAdmin: () => Promise.resolve(""),
    discoveryDebug: () => Promise.resolve(new Map()),
    exec: () => Promise.resolve(0),
    readText: async ({ path }, { onText }) => {
      calls.push(`TEXT ${path}`);
      if (path.includes("container=nope"))
        return { status: 400, body: { message: "container nope is not valid" }, warnings: [] };
      for (const text of ["one\n\ntw", "o\n"]) onText(text);
      return undefined;
    },
    forward: () => Promise.resolve({ problem: "" }),
  };
  const output = (key: "stdout" | "stderr") => ({
    write: (text: string): void => {
      printed[key] += text;
    },
  });
  const createContext = (flags: FlagValues): CliContext => ({
    stdout: output("stdout"),
    stderr: output("stderr"),
    version: "1.2.3",
    now: () => 0,
    pause: () => Promise.resolve(),
    meshName: undefined,
    home: undefined,
    mesh: () => Promise.resolve(mesh),
    readFile: () => Promise.resolve(MANIFEST),
    objectFiles: path => Promise.resolve([path]),
    readStdin: () => Promise.resolve(""),
    interrupted: () => new Promise(() => {}),
    namespace: typeof flags["namespace"] === "string" ? flags["namespace"] : "default",
    compat: undefined,
  });
  const code = await runCli(words, {
    root: createRoot([]),
    stdout: output("stdout"),
    stderr: output("stderr"),
    createContext,
    kubectl: () => "kubectl --kubeconfig /k",
  });
  return { ...printed, code, calls };
}

test("get -o jsonpath, custom-columns and name", async () => {
  const printed = async (...words: string[]): Promise<string> => (await run(words)).stdout;
  assert.equal(
    await printed("get", "pods", "-o", "jsonpath={.items[*].status.podIP}"),
    "10.0.0.1 10.0.0.2",
  );
  assert.equal(await printed("get", "pod", "sleep", "-o=jsonpath={.status.podIP}"), "10.0.0.1");
  assert.equal(
    await printed("get", "pods", "-o", "custom-columns=NAME:.metadata.name,GONE:.spec.x"),
    "NAME    GONE\nsleep   <none>\nweb     <none>\n",
  );
  assert.equal(
    await printed("get", "pods", "--no-headers", "-o", "custom-columns=N:.metadata.name"),
    "sleep\nweb\n",
  );
  assert.equal(await printed("get", "pods", "-o", "name"), "pod/sleep\n");
  const bad = await run(["get", "pods", "-o", "jsonpath={.a"]);
  assert.equal(bad.code, 1);
  assert.deepEqual(bad.calls, []);
  assert.match(bad.stderr, /jsonpath "\{.a": an open brace is not closed/);
});

test("get -w prints the list, then what changes", async () => {
  const { stdout, calls } = await run(["get", "pods", "-w"]);
  assert.equal(stdout, "NAME    STATUS\nsleep   Pending\nsleep   Running\n");
  assert.deepEqual(calls, [
    "GET /api/v1/namespaces/default/pods",
    "FOLLOW /api/v1/namespaces/default/pods?watch=true&resourceVersion=7",
  ]);
  const one = await run(["get", "pod", "web", "-w", "-o", "jsonpath={.status.podIP}{'\\n'}"]);
  assert.equal(one.stdout, "10.0.0.1\n10.0.0.2\n10.0.0.2\n");
  assert.match(one.calls[1] ?? "", /fieldSelector=metadata.name%3Dweb&watch=true/);
  assert.match((await run(["get", "pods,pods", "-w"])).stderr, /--watch follows one type/);
});

test("apply --dry-run changes nothing", async () => {
  const client = await run(["apply", "-f", "x", "--dry-run", "client"]);
  assert.equal(client.stdout, "pod/fresh created (dry run)\n");
  assert.deepEqual(client.calls, ["GET /api/v1/namespaces/default/pods/fresh"]);
  const server = await run(["apply", "-f", "x", "--dry-run=server"]);
  assert.equal(server.stdout, "pod/fresh created (server dry run)\n");
  assert.match(server.calls[1] ?? "", /^POST .*\?fieldValidation=Strict&dryRun=All$/);
});

test("what is kubectl's is answered with kubectl's line", async () => {
  for (const [line, expected] of [
    ["create deployment x --image y", "create deployment x --image y"],
    ["api-resources", "api-resources"],
    ["edit svc x -n shop", "edit svc x -n shop"],
    ["describe pod x --mesh two", "describe pod x"],
    ["get pods --sort-by=.metadata.name", "get pods --sort-by=.metadata.name"],
    ["get pods -o go-template={{.kind}}", "get pods -o 'go-template={{.kind}}'"],
    ["apply -f x --server-side", "apply -f x --server-side"],
    ["delete pods --all", "delete pods --all"],
  ] as const) {
    const { code, stderr } = await run(line.split(" "));
    assert.equal(code, 1, line);
    assert.ok(stderr.endsWith(`kubectl may do it: kubectl --kubeconfig /k ${expected}\n`), stderr);
  }
  assert.match((await run(["gett", "pods"])).stderr, /did you mean "get"\?/);
  assert.doesNotMatch((await run(["gett", "pods"])).stderr, /kubectl may/);
  assert.doesNotMatch((await run(["ps", "--nope"])).stderr, /kubectl may/);
});

test("--version is the program's own", async () => {
  assert.equal((await run(["--version"])).stdout, "1.2.3\n");
});

const logsOf = ({ calls }: Told): string[] =>
  calls.flatMap(call => (call.startsWith("TEXT ") ? [call.slice(call.indexOf("/pods/") + 6)] : []));

test("logs of one pod: of its application, or of the container that is named", async () => {
  const plain = await run(["logs", "web"]);
  assert.deepEqual([plain.stdout, plain.code], ["one\n\ntwo\n", 0]);
  assert.deepEqual(logsOf(plain), ["web/log?container=app"]);
  const words = "logs web -c istio-proxy --tail 5 --since 1m30s --timestamps -p".split(" ");
  assert.deepEqual(logsOf(await run(words)), [
    "web/log?container=istio-proxy&previous=true&timestamps=true&tailLines=5&sinceSeconds=90",
  ]);
  const all = await run(["logs", "web", "--all-containers", "--prefix"]);
  assert.deepEqual(
    logsOf(all),
    ["init", "istio-proxy", "app"].map(name => `web/log?container=${name}`),
  );
  assert.match(
    all.stdout,
    /^\[pod\/web\/init\] one\n\[pod\/web\/init\] \n\[pod\/web\/init\] two\n\[/,
  );
  const time = await run(["logs", "web", "--since-time", "2026-01-01T00:00:00Z"]);
  assert.deepEqual(logsOf(time), ["web/log?container=app&sinceTime=2026-01-01T00%3A00%3A00Z"]);
  const wrong = await run(["logs", "web", "-c", "nope"]);
  assert.deepEqual(
    [wrong.code, wrong.stderr],
    [1, "Error from server: container nope is not valid\n"],
  );
});

test("logs of pods by their labels: ten lines of each, as kubectl", async () => {
  const told = await run(["logs", "-l", "app in (sleep,web)", "-f", "--since=1m"]);
  assert.ok(
    told.calls.includes(
      "GET /api/v1/namespaces/default/pods?labelSelector=app%20in%20(sleep%2Cweb)",
    ),
  );
  const query = "log?container=app&follow=true&tailLines=10&sinceSeconds=60";
  assert.deepEqual(logsOf(told), [`sleep/${query}`, `web/${query}`]);
  const whole = await run(["logs", "-l", "app", "--tail=-1"]);
  assert.deepEqual(logsOf(whole), ["sleep/log?container=app", "web/log?container=app"]);
});

test("logs: what makes no sense is said before anything is asked", async () => {
  const cases: readonly (readonly [words: string, said: RegExp])[] = [
    ["logs", /logs needs a pod, or --selector/],
    ["logs web -l app=web", /a pod and --selector both say whose log/],
    ["logs web --since soon", /--since is "soon"; it must be a duration/],
    ["logs web --since 1m --since-time 2026-01-01T00:00:00Z", /give one of them/],
    ["logs web --tail 1.5", /--tail is "1.5"; it must be a number of lines/],
  ];
  for (const [words, said] of cases) {
    const told = await run(words.split(" "));
    assert.equal(told.code, 1, words);
    assert.match(told.stderr, said);
    assert.deepEqual(told.calls, [], words);
  }
});

test("the line for kubectl can be copied, whatever is in the kubeconfig's path", () => {
  assert.equal(shellWord("/tmp/new user/it's"), "'/tmp/new user/it'\\''s'");
  assert.equal(
    shellWord("/var/lib/lateen/default/kubeconfig"),
    "/var/lib/lateen/default/kubeconfig",
  );
});
