import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { tokenFromFile, transportOptions } from "./credentials.ts";
import { type ClusterAccess, contextNames, inClusterAccess, loadKubeconfig } from "./kubeconfig.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

const MAIN = `
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c1
  cluster: {server: "https://10.0.0.1:6443", certificate-authority: ca.crt}
- name: c2
  cluster:
    server: https://other.example:443
    certificate-authority-data: ${base64("inline ca")}
    insecure-skip-tls-verify: true
    tls-server-name: api.internal
users:
- name: u1
  user: {client-certificate: /abs/client.crt, client-key-data: ${base64("key")}}
- name: u2
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: give-token
      args: [--cluster, two]
      env: [{name: A, value: b}]
      provideClusterInfo: true
contexts:
- name: one
  context: {cluster: c1, user: u1, namespace: istio-system}
- name: two
  context: {cluster: c2, user: u2}
- name: broken
  context: {cluster: none, user: u1}
`;
const SECOND =
  "contexts: [{name: three, context: {cluster: c1, user: u3}}]\nusers: [{name: u3, user: {tokenFile: t}}]\n";

const FILES: Readonly<Record<string, string>> = {
  "/home/x/.kube/config": MAIN,
  "/home/x/.kube/more": SECOND,
  "/home/x/.kube/ca.crt": "ca from file",
  "/abs/client.crt": "certificate",
  "/list": "- a",
  "/sa/ca.crt": "pod ca",
  "/sa/namespace": "istio-system\n",
};

function read(path: string): string {
  const text = FILES[path];
  if (text === undefined) throw new Error(`ENOENT ${path}`);
  return text;
}

function load(context?: string, files = ["/home/x/.kube/config", "/home/x/.kube/more"]) {
  return loadKubeconfig({ files, ...(context === undefined ? {} : { context }) }, read);
}

function opened(context?: string): ClusterAccess {
  const result = load(context);
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

function refusal(context: string | undefined, files?: string[]): string {
  const result = load(context, files);
  assert.ok(!result.ok);
  return result.diagnostics.map(each => `${each.path} ${each.message}`).join();
}

test("the current context, with files beside the kubeconfig and inline data", () => {
  const access = opened();
  assert.equal(access.server, "https://10.0.0.1:6443");
  assert.equal(access.ca, "ca from file");
  assert.equal(access.clientCertificate, "certificate");
  assert.equal(access.clientKey, "key");
  assert.deepEqual([access.namespace, access.context], ["istio-system", "one"]);
});

test("another context, from a second file too", () => {
  const two = opened("two");
  assert.deepEqual(
    [two.ca, two.insecureSkipTlsVerify, two.serverName, two.namespace],
    ["inline ca", true, "api.internal", "default"],
  );
  assert.equal(opened("three").tokenFile, "/home/x/.kube/t");
  assert.deepEqual(contextNames(["/home/x/.kube/config", "/home/x/.kube/more"], read), [
    "one",
    "two",
    "broken",
    "three",
  ]);
});

test("what is wrong is said with the file and what would be right", () => {
  assert.match(refusal("none"), /has no context "none"; contexts: one, two, broken, three/);
  assert.match(refusal("broken"), /names cluster "none", which is not there/);
  assert.match(refusal(undefined, ["/missing"]), /\/missing can not be read: ENOENT/);
  assert.match(refusal(undefined, ["/list"]), /\/list is not a mapping/);
  assert.match(refusal(undefined, ["/home/x/.kube/more"]), /choose one with --context/);
});

test("of several files some may be missing, as with kubectl; of one it is named", () => {
  const files = ["/gone", "/home/x/.kube/config"];
  const reading = (path: string): string => {
    if (path === "/gone") throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
    return read(path);
  };
  assert.ok(loadKubeconfig({ files, context: "one" }, reading).ok);
  const none = loadKubeconfig({ files: ["/gone"] }, reading);
  assert.deepEqual(
    none.diagnostics.map(each => `${each.path} ${each.message}`),
    ["/gone can not be read: there is no such file (kubeconfig)"],
  );
});

test("in a pod, the service account", () => {
  const result = inClusterAccess("fd00::1", "443", read, "/sa");
  assert.ok(result.ok);
  assert.equal(result.value.server, "https://[fd00::1]:443");
  assert.deepEqual(
    [result.value.ca, result.value.namespace, result.value.tokenFile],
    ["pod ca", "istio-system", "/sa/token"],
  );
  assert.ok(!inClusterAccess("10.0.0.1", "443", read, "/elsewhere").ok);
});

test("a credential plugin is asked once, and again before its token expires", () => {
  const clock = new FakeClock();
  const asked: Readonly<Record<string, string>>[] = [];
  const options = transportOptions(opened("two"), {
    clock,
    environment: { PATH: "/bin", A: "from outside" },
    run: (source, environment) => {
      assert.deepEqual([source.command, ...source.args], ["give-token", "--cluster", "two"]);
      asked.push(environment);
      const expirationTimestamp = new Date(clock.now() + 600_000).toISOString();
      return JSON.stringify({ status: { token: `t${asked.length}`, expirationTimestamp } });
    },
  });
  assert.equal(options.token?.(), "t1");
  assert.equal(options.token?.(), "t1");
  clock.advance(550_000);
  assert.equal(options.token?.(), "t2");
  const [first = {}] = asked;
  assert.deepEqual([first["A"], first["PATH"]], ["b", "/bin"]);
  const info = JSON.parse(first["KUBERNETES_EXEC_INFO"] ?? "");
  assert.equal(info.spec.cluster.server, "https://other.example:443");
});

test("a plugin that gives nothing is named, and what it printed is not", () => {
  const ask = (output: string) => () =>
    transportOptions(opened("two"), {
      clock: new FakeClock(),
      environment: {},
      run: () => output,
    });
  assert.throws(ask("secret-text"), /^Error: credential plugin give-token: its output is no JSON$/);
  assert.throws(ask("{}"), /neither a token nor a certificate/);
});

test("a token file is read again, and the last token stands while it is not there", t => {
  const directory = mkdtempSync(join(tmpdir(), "lateen-token-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "token");
  writeFileSync(path, "one\n");
  const clock = new FakeClock();
  const token = tokenFromFile(path, clock);
  writeFileSync(path, "two\n");
  assert.equal(token(), "one");
  clock.advance(61_000);
  assert.equal(token(), "two");
  clock.set(-3_600_000);
  writeFileSync(path, "three\n");
  clock.advance(61_000);
  assert.equal(token(), "three", "whatever the clock is set to");
  rmSync(path);
  clock.advance(61_000);
  assert.equal(token(), "three");
});
