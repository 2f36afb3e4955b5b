/** `x check-inject` and `x injector list` over the webhooks that an installation makes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../../src/api/kind.ts";
import type { FlagValues } from "../../src/cli/command.ts";
import type { CliContext, MeshAccess } from "../../src/cli/context.ts";
import { createRoot, runCli } from "../../src/cli/main.ts";
import {
  mutatingWebhookConfiguration,
  revisionTagWebhook,
} from "../../src/inject/webhook-objects.ts";

const install = { namespace: "istio-system", enableNamespacesByDefault: false };
const canary = { ...install, revision: "canary" };
const HOOKS = [
  mutatingWebhookConfiguration({ ...install, revision: "default" }),
  mutatingWebhookConfiguration(canary),
  revisionTagWebhook(canary, "prod"),
];

function object(name: string, namespace: string, more: JsonObject = {}): JsonObject {
  return { metadata: { name, namespace, ...more } };
}

const status = (revision: string) => ({ "sidecar.istio.io/status": `{"revision":"${revision}"}` });
const PODS = [
  object("web-1", "web", { labels: { app: "web" }, annotations: status("default") }),
  object("web-2", "web", { labels: { app: "web" }, annotations: status("canary") }),
  object("off-1", "web", { labels: { "sidecar.istio.io/inject": "false" } }),
  object("plain-1", "plain"),
];
const NAMESPACES = [
  object("web", "", { labels: { "istio-injection": "enabled" } }),
  object("prod", "", { labels: { "istio.io/rev": "prod" } }),
  object("lost", "", { labels: { "istio.io/rev": "gone" } }),
  object("plain", ""),
  object("kube-system", ""),
];
const VALUES = { global: { hub: "registry.example", tag: "1.0" } };
const MAP = {
  ...object("istio-sidecar-injector", "istio-system", { labels: { "istio.io/rev": "default" } }),
  data: { values: JSON.stringify(VALUES) },
};

/** By the Service's name; none: they can not be asked for. */
let slices: Readonly<Record<string, Json>> = {};
/** Of each Service that a webhook leads to. */
let serviceSpec: JsonObject = {};

function answer(path: string): Json | undefined {
  const service = /endpointslices\?labelSelector=kubernetes.io%2Fservice-name%3D(.*)$/.exec(
    path,
  )?.[1];
  if (service !== undefined) return slices[service];
  if (path.includes("/services/")) return { spec: serviceSpec };
  const lists: Readonly<Record<string, Json>> = {
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": { items: HOOKS },
    "/api/v1/namespaces": { items: NAMESPACES },
    "/api/v1/pods": { items: PODS },
    "/api/v1/configmaps?labelSelector=istio.io%2Frev": { items: [MAP] },
  };
  const name = path.split("/").at(-1);
  return (
    lists[path] ??
    [...PODS, ...NAMESPACES].find(each => JSON.stringify(each).includes(`"name":"${name}"`))
  );
}

async function run(line: string): Promise<string> {
  let printed = "";
  const output = {
    write: (text: string): void => {
      printed += text;
    },
  };
  const mesh: MeshAccess = {
    api: ({ path }) => {
      const body = answer(path);
      return Promise.resolve({ status: body === undefined ? 404 : 200, body, warnings: [] });
    },
    follow: () => Promise.resolve(undefined),
    envoyAdmin: () => Promise.resolve(""),
    discoveryDebug: () => Promise.resolve(new Map()),
    exec: () => Promise.resolve(0),
    readText: () => Promise.resolve(undefined),
    forward: () => Promise.resolve({ localPort: 0, close: () => {} }),
  };
  const createContext = (flags: FlagValues): CliContext => ({
    stdout: output,
    stderr: output,
    version: "1.0",
    now: () => 0,
    pause: () => Promise.resolve(),
    meshName: undefined,
    home: undefined,
    mesh: () => Promise.resolve(mesh),
    readFile: () => Promise.resolve(""),
    objectFiles: () => Promise.resolve([]),
    readStdin: () => Promise.resolve(""),
    interrupted: () => Promise.resolve(),
    namespace: typeof flags["namespace"] === "string" ? flags["namespace"] : "default",
    compat: undefined,
  });
  await runCli(line.split(" "), {
    root: createRoot([]),
    stdout: output,
    stderr: output,
    createContext,
  });
  return printed;
}

test("check-inject: each webhook with its verdict and the label that decides", async () => {
  assert.equal(
    await run("x check-inject web-1 -n web"),
    `WEBHOOK                        REVISION  INJECTED  REASON
istio-revision-tag-prod        canary    ✘         No matching namespace labels (istio.io/rev=prod) or pod labels (istio.io/rev=prod)
istio-sidecar-injector         default   ✔         Namespace label istio-injection=enabled matches
istio-sidecar-injector-canary  canary    ✘         No matching namespace labels (istio.io/rev=canary) or pod labels (istio.io/rev=canary)
`,
  );
});

test("check-inject: what prevents injection is named", async () => {
  assert.match(
    await run("x check-inject off-1 -n web"),
    /istio-sidecar-injector +default +✘ +Pod has sidecar\.istio\.io\/inject=false label, preventing injection/,
  );
  assert.match(
    await run("x check-inject -n prod -l app=web"),
    /istio-revision-tag-prod +canary +✔ +Namespace label istio\.io\/rev=prod matches/,
  );
  assert.match(
    await run("x check-inject -n plain -l sidecar.istio.io/inject=true"),
    /istio-sidecar-injector +default +✔ +Pod label sidecar\.istio\.io\/inject=true matches/,
  );
  assert.match(await run("x check-inject -n plain -l nothing"), /"nothing" is no label/);
  assert.match(await run("x check-inject"), /wants either a pod or labels/);
});

test("check-inject: a webhook that nobody answers injects nothing", async t => {
  t.after(() => {
    slices = {};
    serviceSpec = {};
  });
  const check = (): Promise<string> => run("x check-inject web-1 -n web");
  const label = "Namespace label istio-injection=enabled matches";
  const refused = `${label}, but no pod of Service istiod.istio-system is ready: the pod is refused`;
  slices = { istiod: { items: [{ endpoints: null }] } };
  assert.match(await check(), new RegExp(`istio-sidecar-injector +default +✘ +${refused}\n`));
  slices = { istiod: { items: [{ endpoints: [{ conditions: { ready: false } }] }] } };
  assert.match(await check(), new RegExp(refused));
  slices = { istiod: { items: [{ endpoints: [{ conditions: { ready: true } }] }] } };
  assert.match(await check(), new RegExp(`✔ +${label}\n`));
  slices = { istiod: { items: [] } };
  serviceSpec = { type: "ExternalName", externalName: "istiod.example" };
  assert.match(await check(), new RegExp(`✔ +${label}\n`), "nobody knows: it is elsewhere");
});

test("injector list: namespaces, pods that need a restart, hooks and their images", async () => {
  assert.equal(
    await run("x injector list"),
    `NAMESPACE ISTIO-REVISION POD-REVISIONS
lost      MISSING/gone   <no pods>
plain                    <non-Istio>: 1
prod      canary         <no pods>
web       default        <non-Istio>: 1 (injection disabled: 1)
web       default        canary: 1 NEEDS RESTART: 1
web       default        default: 1

NAMESPACES          INJECTOR-HOOK                 ISTIO-REVISION SIDECAR-IMAGE
prod                istio-revision-tag-prod       canary         
web                 istio-sidecar-injector        default        registry.example/proxyv2:1.0
DOES NOT AUTOINJECT istio-sidecar-injector-canary canary         
`,
  );
});
