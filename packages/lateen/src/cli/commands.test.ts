/** Commands against a mesh that answers as told. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { issueTestCertificate } from "../../test/support/test-certificate.ts";
import { type FlagValues, UserError } from "./command.ts";
import type { CliContext, MeshAccess } from "./context.ts";
import { createRoot, runCli } from "./main.ts";

type Answers = Readonly<Record<string, unknown>>;

const tableOf = (name: string) => ({
  items: [{ metadata: { name } }],
  columnDefinitions: [{ name: "Name" }],
  rows: [{ cells: [name], object: { metadata: { name } } }],
});
const POD = {
  metadata: { name: "sleep-1", namespace: "default", labels: { app: "sleep" } },
  spec: { containers: [{ ports: [{ name: "web", containerPort: 8080 }] }] },
};
const SERVICE = {
  selector: { app: "sleep" },
  ports: [
    { name: "http", port: 8000, targetPort: "web" },
    { name: "other", port: 81, targetPort: 8081 },
  ],
};
const API: Answers = {
  "/api/v1/namespaces/other": { metadata: { name: "other" } },
  "/api/v1/namespaces/default/pods/sleep-2": { ...POD, metadata: { name: "sleep-2" } },
  "/api/v1/namespaces/other/pods?labelSelector=app%3Dgone": { items: [] },
  "/api/v1/namespaces/default/pods/sleep-1": POD,
  "/api/v1/pods": { items: [POD] },
  "/api/v1/namespaces/default/services/sleep": { spec: SERVICE },
  "/api/v1/namespaces/default/pods?labelSelector=app%3Dsleep": { items: [POD] },
  "/api/v1/namespaces/default/pods": tableOf("sleep-1"),
  "/api/v1/namespaces/default/services": tableOf("sleep"),
  "/api/v1/namespaces": {
    items: [{ metadata: { name: "default" } }, { metadata: { name: "other" } }],
  },
  "/api/v1/namespaces/other/services": { items: [{ metadata: { name: "away" } }] },
  "/api/v1/namespaces/other/pods": { items: [{ metadata: { name: "away-1" } }] },
  "/apis": { groups: [] },
  "/api/v1": {
    resources: [
      { name: "pods", singularName: "pod", kind: "Pod", namespaced: true },
      { name: "services", singularName: "service", kind: "Service", namespaced: true },
      { name: "configmaps", singularName: "configmap", kind: "ConfigMap", namespaced: true },
    ],
  },
};
const LOGGERS = "active loggers:\n  http: warning\n  wasm: warning\n  envoy_bug: warning\n";

interface Told {
  readonly admin: string[];
  readonly forwarded: string[];
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

async function run(
  line: string,
  files: Readonly<Record<string, string>> = {},
  syncz: readonly unknown[] = [],
  dumps: Readonly<Record<string, unknown>> = {},
): Promise<Told> {
  const printed = { stdout: "", stderr: "" };
  const admin: string[] = [];
  const forwarded: string[] = [];
  const mesh: MeshAccess = {
    api: ({ method, path }) => {
      const body = method === "GET" ? API[path] : undefined;
      if (body !== undefined) return Promise.resolve({ status: 200, body, warnings: [] });
      if (path.includes("/namespaces/secret/")) {
        const body = { message: "pods is forbidden: you may not look" };
        return Promise.resolve({ status: 403, body, warnings: [] });
      }
      const refusal = { reason: "NotFound", message: `${method} ${path}: not found` };
      return Promise.resolve({ status: 404, body: refusal, warnings: [] });
    },
    follow: () => Promise.resolve(undefined),
    envoyAdmin: (pod, _method, path) => {
      admin.push(path);
      const dump = path.startsWith("config_dump") ? dumps[pod.name] : undefined;
      return Promise.resolve(dump === undefined ? LOGGERS : JSON.stringify(dump));
    },
    discoveryDebug: path => {
      const text = path.startsWith("/debug/syncz")
        ? JSON.stringify(syncz)
        : "no proxy is connected\n";
      return Promise.resolve(new Map([["istiod-1", text]]));
    },
    exec: () => Promise.resolve(0),
    readText: () => Promise.resolve(undefined),
    forward: (pod, { address, localPort, podPort, onConnection, onRefused }) => {
      forwarded.push(`${pod.name} ${address}:${localPort}->${podPort}`);
      if (localPort === 80 || address === "::1")
        return Promise.resolve({ problem: "address already in use" });
      onConnection();
      if (podPort === 9) onRefused();
      return Promise.resolve({
        localPort: localPort || 40_000,
        close: () => forwarded.push("end"),
      });
    },
  };
  const createContext = (flags: FlagValues): CliContext => ({
    stdout: {
      write: text => {
        printed.stdout += text;
      },
    },
    stderr: {
      write: text => {
        printed.stderr += text;
      },
    },
    version: "1",
    now: () => 0,
    pause: () => Promise.resolve(),
    meshName: undefined,
    home: undefined,
    mesh: () =>
      flags["mesh"] === "gone"
        ? Promise.reject(new UserError("it does not answer", "ask again"))
        : Promise.resolve(mesh),
    readFile: path => Promise.resolve(files[path] ?? ""),
    objectFiles: path => Promise.resolve([path]),
    readStdin: () => Promise.resolve(""),
    interrupted: () => Promise.resolve(),
    namespace: typeof flags["namespace"] === "string" ? flags["namespace"] : "default",
    compat: undefined,
  });
  const { stdout, stderr } = createContext({});
  const code = await runCli(line.split(" "), {
    root: createRoot([]),
    stdout,
    stderr,
    createContext,
  });
  return { admin, forwarded, code, ...printed };
}

test("pc log: a logger that Envoy does not have is named, with those near it", async () => {
  const near = await run("pc log sleep-1 --level htpp:debug");
  assert.equal(near.code, 1);
  assert.equal(near.stderr, 'this Envoy has no logger "htpp"\ndid you mean "http"?\n');
  assert.deepEqual(near.admin, ["logging"], "nothing was set");
  assert.match((await run("pc log sleep-1 --level envoy:off")).stderr, /names like it: envoy_bug/);
  assert.match(
    (await run("pc log sleep-1 --level q:off")).stderr,
    /loggers: http, wasm, envoy_bug/,
  );
  const set = await run("pc log sleep-1 --level http:debug,wasm:off");
  assert.equal(set.code, 0);
  assert.deepEqual(set.admin, ["logging", "logging?paths=http%3Adebug%2Cwasm%3Aoff"]);
});

test("pc log -l: all pods with the labels; -o json gives levels by pod", async () => {
  const set = await run("pc log -l app=sleep --level http:debug");
  assert.equal(set.code, 0, set.stderr);
  assert.match(set.stdout, /^sleep-1\.default:\n/);
  assert.deepEqual(set.admin, ["logging", "logging?paths=http%3Adebug"]);
  const levels = JSON.parse((await run("pc -o json log --selector=app=sleep")).stdout);
  assert.deepEqual(levels, {
    "sleep-1.default": { http: "warning", wasm: "warning", envoy_bug: "warning" },
  });
  assert.match((await run("pc log")).stderr, /^proxy-config log wants either a pod or --selector/);
  assert.match((await run("pc log sleep-1 -l app=sleep")).stderr, /wants either a pod or/);
  assert.match((await run("pc log -l a=b -n secret")).stderr, /^pods is forbidden: you may not/);
  assert.match(
    (await run("pc log -l app=gone -n other")).stderr,
    /namespace "other" has the labels/,
  );
});

const TYPES = "type.googleapis.com/envoy";
const DUMP = {
  configs: [
    {
      "@type": `${TYPES}.admin.v3.BootstrapConfigDump`,
      bootstrap: {
        node: {
          metadata: { ISTIO_VERSION: "0.1.0" },
          user_agent_build_version: {
            version: { major_number: 1, minor_number: 40 },
            metadata: { "revision.sha": "abc", "revision.status": "Clean" },
          },
        },
      },
    },
    {
      "@type": `${TYPES}.admin.v3.EcdsConfigDump`,
      ecds_filters: [
        {
          ecds_filter: {
            "@type": `${TYPES}.config.core.v3.TypedExtensionConfig`,
            name: "default.auth",
            typed_config: { "@type": `${TYPES}.extensions.filters.http.wasm.v3.Wasm` },
          },
        },
      ],
    },
    {
      "@type": `${TYPES}.admin.v3.EndpointsConfigDump`,
      dynamic_endpoint_configs: ["b", "a"].map(name => ({
        endpoint_config: {
          cluster_name: `outbound|80||${name}`,
          endpoints: [
            {
              locality: { region: "r", zone: "z" },
              lb_endpoints: [8080, 9090].map(port_value => ({
                endpoint: { address: { socket_address: { address: "10.0.0.1", port_value } } },
                health_status: "HEALTHY",
              })),
            },
          ],
        },
      })),
    },
  ],
};

test("pc ecds, eds and bootstrap -o short, from a dump", async () => {
  const files = { "dump.json": JSON.stringify(DUMP), "none.json": '{"configs": []}' };
  const of = async (line: string): Promise<string> => (await run(line, files)).stdout;
  assert.equal(
    await of("pc ecds -f dump.json"),
    "ECDS NAME        TYPE\n" +
      "default.auth     type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n",
  );
  assert.equal(JSON.parse(await of("pc ec -f dump.json -o json"))[0].name, "default.auth");
  assert.equal(await of("pc ecds -f none.json"), "No extension came by ECDS.\n");
  assert.equal(
    await of("pc eds -f dump.json --port 8080"),
    "NAME              STATUS      LOCALITY     CLUSTER\n" +
      "10.0.0.1:8080     HEALTHY     r/z          outbound|80||a\n" +
      "10.0.0.1:8080     HEALTHY     r/z          outbound|80||b\n",
  );
  const [only, ...more] = JSON.parse(
    await of("pc eds -f dump.json -o json --cluster outbound|80||b --address 10.0.0.1"),
  );
  assert.deepEqual([only.clusterName, more], ["outbound|80||b", []]);
  assert.equal(only.endpoints[0].lbEndpoints.length, 2);
  assert.deepEqual(JSON.parse(await of("pc eds -f dump.json -o json --status draining")), []);
  assert.equal(
    await of("pc b -f dump.json -o short"),
    "Istio Version: 0.1.0\nEnvoy Version: 1.40.0/abc/Clean\n",
  );
  const asked = await run("pc eds sleep-1", {}, [], { "sleep-1": DUMP });
  assert.deepEqual(asked.admin, ["config_dump?include_eds"]);
});

test("pc rootca-compare: two proxies with a root in common", async () => {
  const roots = ["a", "b", "c"].map(name => issueTestCertificate({ dnsNames: [name] }));
  const trusting = (...names: readonly number[]) => ({
    configs: [
      {
        "@type": `${TYPES}.admin.v3.SecretsConfigDump`,
        dynamic_active_secrets: [
          {
            name: "ROOTCA",
            secret: {
              validation_context: {
                trusted_ca: {
                  inline_bytes: Buffer.from(names.map(i => roots[i]).join("\n")).toString("base64"),
                },
              },
            },
          },
        ],
      },
    ],
  });
  const compare = (a: unknown, b: unknown) =>
    run("pc rootca-compare sleep-1 sleep-2", {}, [], { "sleep-1": a, "sleep-2": b });
  const same = await compare(trusting(0), trusting(0));
  assert.equal(same.code, 0, same.stderr);
  assert.equal(
    same.stdout,
    "Both [sleep-1.default] and [sleep-2.default] have the identical ROOTCA, theoretically the " +
      "connectivity between them is available\n",
  );
  assert.equal((await compare(trusting(0, 1), trusting(1))).code, 0, "one is renewed already");
  const apart = await compare(trusting(0, 1), trusting(2));
  assert.equal(apart.code, 1);
  assert.match(apart.stderr, /have the non identical ROOTCA, .* unavailable/);
  const none = await compare(trusting(0), { configs: [] });
  assert.match(none.stderr, /^the Envoy of sleep-2\.default has no ROOTCA\nlateen pc secret/);
});

test("a pod is named by itself, by what owns it, by a Service; in vain with a next step", async () => {
  for (const name of [
    "sleep-1",
    "pod/sleep-1",
    "sleep-1.default",
    "svc/sleep",
    "service/sleep.default",
  ])
    assert.match((await run(`pc log ${name}`)).stdout, /^sleep-1\.default:\n/, name);
  assert.match((await run("pc log deploy/sleep")).stderr, /there is no deployment "sleep"/);
  assert.match((await run("pc log cm/sleep")).stderr, /"cm\/\.\.\." does not name pods/);
  assert.match((await run("pc log sleep")).stderr, /pods of that prefix: sleep-1\.default/);
  for (const name of ["sleep-1", "deploy/sleep"])
    assert.match((await run(`pc log ${name} -n secret`)).stderr, /^pods is forbidden: you may/);
  assert.match((await run("pc log sleep-1 -n other")).stderr, /it is in "default": add -n default/);
});

test("ps: nobody, and a pod that is not connected", async () => {
  const status = {
    proxy: "sleep-1.default",
    cluster_id: "Kubernetes",
    istio_version: "1",
    types: {},
  };
  const nobody = await run("ps");
  assert.match(nobody.stderr, /^no proxies found\n/);
  assert.deepEqual([nobody.stdout, nobody.code], ["", 0]);
  const empty = await run("ps -n other", {}, [status]);
  assert.match(empty.stderr, /^no proxies found in namespace "other"\npods get one/);
  assert.equal(empty.code, 0);
  const gone = await run("ps -n nope", {}, [status]);
  assert.equal(gone.stderr, 'namespace "nope" not found\n');
  assert.deepEqual([gone.stdout, gone.code], ["", 0]);
  assert.equal((await run("ps -n nope -o json", {}, [status])).stdout, "[]\n");
  assert.match((await run("ps -n default", {}, [status])).stdout, /^sleep-1\.default +Kubernetes/m);
  assert.match((await run("ps sleep-1")).stderr, /no proxy "sleep-1\.default" is connected/);
  const waiting = "not connected to the control plane; refused: no token";
  assert.equal(
    (await run("ps sleep-1", {}, [{ ...status, waiting }])).stderr,
    `proxy "sleep-1.default" is ${waiting}\n`,
  );
  const { genericXdsConfigs, node } = JSON.parse(
    (
      await run("ps -o json", {}, [
        {
          ...status,
          types: { CDS: { state: "NOT SENT" }, LDS: { state: "ERROR", message: "bad" } },
        },
      ])
    ).stdout,
  ).resources[0];
  assert.equal(node.id, "sleep-1.default");
  assert.deepEqual(genericXdsConfigs, [
    { typeUrl: "type.googleapis.com/envoy.config.cluster.v3.Cluster", configStatus: "NOT_SENT" },
    {
      typeUrl: "type.googleapis.com/envoy.config.listener.v3.Listener",
      configStatus: "ERROR",
      errorState: { details: "bad" },
    },
  ]);
});

test("apply and delete name file, line and object, and go on with the others", async () => {
  const files = {
    "a.yaml":
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n" +
      "apiVersion: v1\nkind: Confgmap\nmetadata: {name: b}\n",
    "bad.yaml": "a: [1\nb: 2\n---\nkind: X\n---\napiVersion: v1\nkind: Z\n",
  };
  for (const verb of ["apply", "delete"]) {
    const { stderr, code } = await run(`${verb} -f a.yaml`, files);
    assert.equal(code, 1);
    assert.match(stderr, /^a\.yaml:5: .*no kind "Confgmap" in "v1" is served here/m);
    assert.match(stderr, /Error from server \(NotFound\): .*configmaps/);
  }
  for (const verb of ["apply", "delete"]) {
    const { stderr, code } = await run(`${verb} -f bad.yaml -f a.yaml`, files);
    assert.equal(code, 1);
    assert.match(stderr, /^bad\.yaml:2:1: Flow sequence/m);
    assert.match(stderr, /configmaps/, "the objects of the other file are sent");
  }
  const { stderr, code } = await run("apply -f bad.yaml", files);
  assert.equal(code, 1);
  assert.match(stderr, /^bad\.yaml:2:1: Flow sequence/m);
  assert.match(stderr, /^bad\.yaml:4: X has no apiVersion$/m);
  assert.match(stderr, /^bad\.yaml:6: Z has no metadata\.name$/m);
});

test("completion offers names of the kind and of the namespace typed before", async () => {
  const offered = async (line: string) => (await run(line)).stdout.trimEnd().split("\n");
  assert.deepEqual(await offered("__complete get p"), ["pods"]);
  assert.deepEqual(await offered("__complete ps s"), ["sleep-1.default"]);
  assert.deepEqual(await offered("__complete delete nothing "), [""]);
  assert.deepEqual(await offered("__complete logs s"), ["sleep-1.default"]);
});

test("completion: names after TYPE/, in every form of the namespace", async () => {
  const offered = async (line: string) => (await run(line)).stdout.trimEnd().split("\n");
  assert.deepEqual(await offered("__complete logs svc/"), [""], "there is no such kind here");
  assert.deepEqual(await offered("__complete logs service/"), ["service/sleep"]);
  assert.deepEqual(await offered("__complete get pods/sl"), ["pods/sleep-1"]);
  assert.deepEqual(await offered("__complete delete pod/a pod/"), ["pod/sleep-1"]);
  for (const flag of [
    "-n other",
    "-nother",
    "-n=other",
    "--namespace other",
    "--namespace=other",
  ]) {
    assert.deepEqual(await offered(`__complete ${flag} get services `), ["away"], flag);
    assert.deepEqual(await offered(`__complete get ${flag} service/`), ["service/away"], flag);
    assert.deepEqual(await offered(`__complete logs ${flag} service/`), ["service/away"], flag);
    assert.deepEqual(await offered(`__complete exec ${flag} `), ["away-1"], flag);
  }
  assert.deepEqual(await offered("__complete logs -fnother "), ["away-1"]);
});

test("completion: values of flags in every form, and nothing of another program", async () => {
  const offered = async (line: string) => (await run(line)).stdout.trimEnd().split("\n");
  assert.deepEqual(await offered("__complete get pods -n o"), ["other"]);
  assert.deepEqual(await offered("__complete get pods --namespace o"), ["other"]);
  assert.deepEqual(await offered("__complete get pods --namespace=o"), ["--namespace=other"]);
  assert.deepEqual(await offered("__complete get pods -no"), ["-nother"]);
  assert.deepEqual(await offered("__complete get pods -n=o"), ["-n=other"]);
  assert.deepEqual(await offered("__complete exec sleep-1 -- s"), [""]);
});

test("the completion script of bash gives back what follows = only", async () => {
  const { stdout } = await run("completion bash");
  const ask = (words: string) =>
    execFileSync(
      "bash",
      [
        "-c",
        `${stdout}
lateen() { shift; case "\${@: -1}" in --namespace=*) echo --namespace=other;; *) printf '%s\\n' "$@";; esac; }
COMP_WORDS=(lateen ${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _lateen
printf '%s\\n' "\${COMPREPLY[@]}"`,
      ],
      { encoding: "utf8" },
    );
  assert.equal(ask("get --namespace = o"), "other\n");
  assert.equal(ask("get --namespace ="), "other\n");
  assert.equal(ask("logs --namespace = x deploy/w"), "logs\n--namespace=x\ndeploy/w\n");
});

test("the name of a group of commands alone is a question, not a mistake", async () => {
  const { stdout, code } = await run("pc");
  assert.equal(code, 0);
  assert.match(stdout, /Available Commands:\n {2}all/);
});

test("port-forward: pods and Services, numbers and names, kubectl's words", async () => {
  const first = await run("port-forward sleep-1 8080 :15000");
  assert.equal(first.code, 0, first.stderr);
  assert.deepEqual(first.forwarded, [
    "sleep-1 127.0.0.1:8080->8080",
    "sleep-1 ::1:8080->8080",
    "sleep-1 127.0.0.1:0->15000",
    "sleep-1 ::1:40000->15000",
    "end",
    "end",
  ]);
  assert.match(first.stdout, /^Forwarding from 127\.0\.0\.1:8080 -> 8080$/m);
  assert.match(first.stdout, /^Forwarding from 127\.0\.0\.1:40000 -> 15000$/m);
  assert.match(first.stdout, /^Handling connection for 8080$/m);
  const service = await run("port-forward svc/sleep 8000 9000:other --address 127.0.0.1");
  assert.deepEqual(service.forwarded.slice(0, 2), [
    "sleep-1 127.0.0.1:8000->8080",
    "sleep-1 127.0.0.1:9000->8081",
  ]);
  const named = await run("port-forward pod/sleep-1 web --address 127.0.0.2");
  assert.equal(named.forwarded[0], "sleep-1 127.0.0.2:8080->8080");
});

test("port-forward: what can not be forwarded is said", async () => {
  const taken = await run("port-forward sleep-1 80 8080");
  assert.equal(taken.code, 0);
  assert.match(taken.stderr, /^Unable to listen on port 80: 127\.0\.0\.1: address already in use/m);
  const none = await run("port-forward sleep-1 80");
  assert.equal(none.code, 1);
  assert.match(none.stderr, /unable to listen on any of the requested ports\n.*LOCAL:REMOTE/);
  const refused = await run("port-forward sleep-1 1009:9");
  assert.match(refused.stderr, /an error occurred forwarding 1009 -> 9: connection refused/);
  const missing = await run("port-forward svc/sleep 82");
  assert.match(missing.stderr, /service sleep does not have a port 82\nit has 8000 \(http\), 81/);
  assert.match((await run("port-forward sleep-1 70000")).stderr, /"70000" is no port/);
  assert.match(
    (await run("port-forward sleep-1 80 --address nowhere")).stderr,
    /"nowhere" is neither/,
  );
  assert.equal((await run("port-forward sleep-1")).code, 1);
});

test("label: what is so already is not labeled", async () => {
  const missing = await run("label pod sleep-1 foo-");
  assert.equal(missing.stdout, 'label "foo" not found.\npod/sleep-1 not labeled\n');
  assert.equal(missing.code, 0);
  const equal = await run("label pod sleep-1 app=sleep");
  assert.equal(equal.stdout, "pod/sleep-1 not labeled\n");
  const taken = await run("label pod sleep-1 app=other");
  assert.match(taken.stderr, /label "app" is "sleep" already\n.*--overwrite/);
});

test("version: without an answer the reason, then the bare version; JSON stays JSON", async () => {
  const plain = await run("version --mesh gone");
  assert.equal(plain.stdout, "it does not answer\n1\n");
  const json = await run("version --mesh gone -o json");
  assert.deepEqual(JSON.parse(json.stdout), { clientVersion: { version: "1" } });
  assert.equal(json.stderr, "it does not answer\nask again\n");
});

test("help COMMAND is COMMAND --help", async () => {
  for (const command of ["get", "pc cluster"]) {
    const { stdout, code } = await run(`help ${command}`);
    assert.equal(code, 0);
    assert.equal(stdout, (await run(`${command} --help`)).stdout);
  }
  assert.match(
    (await run("help")).stdout,
    /Available Commands:[\s\S]* {2}help +Help about a command/,
  );
  assert.equal((await run("help nothing")).code, 1);
});

test("get all: pods, Services, Deployments, as far as they are served", async () => {
  const { stdout, code } = await run("get all -o name");
  assert.equal(code, 0);
  assert.equal(stdout, "pod/sleep-1\nservice/sleep\n");
  assert.match((await run("get all sleep")).stderr, /"all" takes no names: found sleep/);
});
