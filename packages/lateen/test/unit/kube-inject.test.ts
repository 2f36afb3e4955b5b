/** `lateen kube-inject` with files, and with the configuration of a cluster. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { kubeInjectCommand } from "../../src/bin/kube-inject-command.ts";
import type { CliContext, MeshAccess } from "../../src/cli/context.ts";
import { createRoot, runCli } from "../../src/cli/main.ts";

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: "web:1"}]}
`;
const FILES: Readonly<Record<string, string>> = {
  "pod.yaml": POD,
  "config.yaml": "policy: enabled",
  "values.json": '{"global": {"hub": "registry.example", "tag": "9"}}',
  "mesh.yaml": "defaultConfig: {concurrency: 7}",
  "bad.yaml": "policy: sometimes",
  "disabled.yaml": "policy: disabled",
  "odd.json": '{"global": {"proxy": {"logLevle": "debug"}, "sts": {}}}',
};
const system = "/api/v1/namespaces/istio-system/configmaps";
const API: Readonly<Record<string, unknown>> = {
  [`${system}/istio-sidecar-injector-canary`]: {
    data: { config: "", values: '{"global": {"hub": "cluster.example"}, "revision": "canary"}' },
  },
  [`${system}/istio-canary`]: { data: { mesh: "" } },
  "/version": { major: "1", minor: "28+" },
};

async function run(line: string): Promise<{ out: string; err: string; code: number }> {
  const printed = { out: "", err: "" };
  const mesh: MeshAccess = {
    api: ({ path }) => {
      const body = API[path];
      return Promise.resolve({ status: body === undefined ? 404 : 200, body, warnings: [] });
    },
    follow: () => Promise.resolve(undefined),
    envoyAdmin: () => Promise.resolve(""),
    discoveryDebug: () => Promise.resolve(new Map()),
    exec: () => Promise.resolve(0),
    readText: () => Promise.resolve(undefined),
    forward: () => Promise.resolve({ localPort: 0, close: () => {} }),
  };
  const output = (key: "out" | "err") => ({
    write: (text: string): void => {
      printed[key] += text;
    },
  });
  const createContext = (): CliContext => ({
    stdout: output("out"),
    stderr: output("err"),
    version: "1.0",
    now: () => 0,
    pause: () => Promise.resolve(),
    meshName: undefined,
    home: undefined,
    mesh: () => Promise.resolve(mesh),
    readFile: path => Promise.resolve(FILES[path] ?? ""),
    objectFiles: () => Promise.resolve([]),
    readStdin: () => Promise.resolve(POD),
    interrupted: () => Promise.resolve(),
    namespace: "default",
    compat: undefined,
  });
  const root = createRoot([kubeInjectCommand]);
  const host = { root, stdout: output("out"), stderr: output("err"), createContext };
  const code = await runCli(line.split(" "), host);
  return { ...printed, code };
}

const files = "--injectConfigFile config.yaml --valuesFile values.json --meshConfigFile mesh.yaml";

test("files: images of the values, threads of the mesh, native where nothing else is said", async () => {
  const { out, code } = await run(`kube-inject -f pod.yaml ${files}`);
  assert.equal(code, 0);
  assert.match(out, /image: registry\.example\/proxyv2:9/);
  assert.match(out, /- --concurrency\n\s+- "7"/);
  assert.match(out, /restartPolicy: Always/);
  const old = await run(`kube-inject -f - ${files} --older`);
  assert.doesNotMatch(old.out, /restartPolicy: Always/);
});

test("the proxy's namespace: the object's, that of -n, else the one it runs in", async () => {
  const free = await run(`kube-inject -f pod.yaml ${files}`);
  assert.match(free.out, /\$\(POD_NAME\)\.\$\(POD_NAMESPACE\)~\$\(POD_NAMESPACE\)\.svc/);
  assert.doesNotMatch(free.out, /default\.svc/);
  const said = await run(`kube-inject -n shop -f pod.yaml ${files}`);
  assert.match(said.out, /\$\(POD_NAME\)\.shop~shop\.svc/);
});

test("the cluster: its ConfigMaps of the revision, and what its version can", async () => {
  const { out, err, code } = await run("kube-inject -f pod.yaml --revision canary");
  assert.equal(code, 0, err);
  assert.match(out, /image: cluster\.example\/proxyv2:1\.0/);
  assert.match(out, /istio\.io\/rev: canary/);
  assert.match(out, /istiod-canary\.istio-system\.svc/);
  assert.doesNotMatch(out, /restartPolicy: Always/, "1.28 has no native sidecars");
  const missing = await run("kube-inject -f pod.yaml --revision nope");
  assert.equal(missing.code, 1);
  assert.match(missing.err, /ConfigMap istio-sidecar-injector-nope in namespace istio-system/);
});

test("what is wrong is said, and nothing is printed", async () => {
  const bad = await run("kube-inject -f pod.yaml --injectConfigFile bad.yaml");
  assert.equal(bad.code, 1);
  assert.equal(bad.out, "");
  assert.match(bad.err, /config\.policy: found "sometimes"/);
  const none = await run("kube-inject");
  assert.match(none.err, /kube-inject needs a file/);
});

test("-o writes a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lateen-kube-inject-"));
  try {
    const path = join(folder, "out.yaml");
    const { out, code } = await run(`kube-inject -f pod.yaml ${files} -o ${path}`);
    assert.equal(code, 0);
    assert.equal(out, "");
    assert.match(await readFile(path, "utf8"), /name: istio-proxy/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("kube-inject injects under policy disabled, too, and names values that nothing knows", async () => {
  const odd = "--injectConfigFile disabled.yaml --valuesFile odd.json";
  const { out, err, code } = await run(`kube-inject -f pod.yaml ${odd}`);
  assert.equal(code, 0);
  assert.match(out, /name: istio-proxy/);
  assert.equal(
    err,
    'Warning: values.global.proxy.logLevle: unknown field "logLevle": did you mean logLevel?\n',
  );
});
