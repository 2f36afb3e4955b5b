import assert from "node:assert/strict";
import { test } from "node:test";
import { configMapKind } from "../api/config-map/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { namespaceKind } from "../api/namespace/kind.ts";
import { silentLog } from "../base/log.ts";
import { createGraph } from "../flow/graph.ts";
import { createInputs, MESH_KEY } from "../model/inputs.ts";
import { systemClock } from "../net/clock.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { localTransport } from "../sources/client/local-transport.ts";
import { kubeApiHandler } from "../sources/kube-api/handler.ts";
import { ObjectTables } from "../sources/store/object-tables.ts";
import { openStore } from "../sources/store/store.ts";
import { countedIds, refusal } from "../sources/store/test-store.ts";
import { ensureMeshConfig } from "./local-mesh-config.ts";
import { meshConfigAdmission } from "./mesh-config-admission.ts";
import {
  defaultMesh,
  meshConfigBinding,
  parseMeshConfig,
  readMeshConfigMap,
  startingMesh,
} from "./mesh-config-input.ts";

const configMap = (mesh: string, name = "istio") => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "istio-system" },
  data: { mesh },
});

function setUp(trustDomain: string | undefined) {
  const graph = createGraph();
  const inputs = createInputs(graph);
  const binding = meshConfigBinding(inputs.mesh, { base: defaultMesh(), trustDomain });
  const apply = (object: ReturnType<typeof configMap>) => {
    const { write, diagnostics } = binding.decode(object);
    if (write !== undefined) graph.commit({ source: "test" }, writer => write(writer, "key"));
    return diagnostics;
  };
  const remove = (): void =>
    void graph.commit({ source: "test" }, writer => binding.remove(writer, "istio-system/istio"));
  return { apply, remove, binding, mesh: () => inputs.mesh.get(MESH_KEY) };
}

test("the mesh configuration of ConfigMap istio is taken over, other ConfigMaps are not", () => {
  const { apply, mesh } = setUp("cluster.local");
  apply(configMap("accessLogFile: /dev/stdout"));
  assert.equal(mesh()?.accessLogFile, "/dev/stdout");
  apply(configMap("accessLogFile: /dev/stderr", "another"));
  assert.equal(mesh()?.accessLogFile, "/dev/stdout");
});

test("another trust domain waits for a restart; everything else is taken over at once", () => {
  const { apply, mesh, remove } = setUp("cluster.local");
  const [problem] = apply(configMap("{trustDomain: foo.bar, rootNamespace: root}"));
  assert.equal(problem?.severity, "warning");
  assert.match(
    `${problem?.path} ${problem?.message}`,
    /trustDomain is foo\.bar, the running mesh's is cluster\.local.*started again/,
  );
  assert.deepEqual([mesh()?.trustDomain, mesh()?.rootNamespace], ["cluster.local", "root"]);
  remove();
  assert.equal(mesh()?.rootNamespace, "istio-system");
});

test("a control plane that gives out no identities follows the trust domain", () => {
  const { apply, mesh } = setUp(undefined);
  assert.deepEqual(apply(configMap("trustDomain: foo.bar")), []);
  assert.equal(mesh()?.trustDomain, "foo.bar");
});

test("a broken mesh configuration keeps the row that a ConfigMap gave, and says if there is none", () => {
  const { apply, mesh, binding } = setUp("cluster.local");
  assert.equal(binding.has("istio-system/istio"), false, "the last good one is wanted");
  apply(configMap("accessLogFile: /dev/stdout"));
  const [problem] = apply(configMap("accessLogFile: [1]"));
  assert.match(`${problem?.severity} ${problem?.path}`, /^error data\.mesh: accessLogFile/);
  assert.equal(mesh()?.accessLogFile, "/dev/stdout");
  assert.equal(binding.has("istio-system/istio"), true);
});

test("what --mesh-config says in vain is told", () => {
  const told: string[] = [];
  parseMeshConfig("acessLogFile: x", message => told.push(message));
  assert.match(told.join(), /acessLogFile/);
});

function localClient(): ApiClient {
  const opened = openStore({
    path: ":memory:",
    kinds: [namespaceKind, configMapKind],
    clock: systemClock,
    log: silentLog,
    ids: countedIds(),
    namespaces: ["istio-system"],
    admission: [meshConfigAdmission],
  });
  assert.ok(opened.ok);
  const api = { store: opened.value, clock: systemClock, version: "0", token: "t" };
  return new ApiClient(localTransport(kubeApiHandler(api), "t"));
}

test("ConfigMap istio is checked when it is written", async () => {
  const client = localClient();
  const patch = async (mesh: string): Promise<string> => {
    const answer = await client.patch(configMapKind, "istio-system", "istio", "merge", {
      data: { mesh },
    });
    return answer.ok ? answer.warnings.join("\n") : (answer.status.message ?? "");
  };
  await ensureMeshConfig(client, undefined, assert.fail);
  assert.match(
    await patch("trustDomain: Foo Bar"),
    /^ConfigMap "istio" is invalid: data\.mesh: trustDomain: found "Foo Bar", want a DNS name/,
  );
  assert.match(await patch("a: [b"), /is invalid: data\.mesh: is not YAML/);
  assert.match(
    await patch("[]"),
    /is invalid: data\.mesh: found \[\], want the fields of MeshConf/,
  );
  const kept = await client.get(configMapKind, "istio-system", "istio");
  assert.ok(kept.ok);
  assert.equal(readMeshConfigMap(kept.value)?.settings?.mesh.accessLogFile, "/dev/stdout");
  assert.equal(await patch("accessLogFile: /dev/stderr"), "");
  assert.match(await patch("dnsRefreshRate: 5s"), /data\.mesh: dnsRefreshRate: .*no effect/);
  assert.match(await patch("trustDomain: foo.bar"), /trustDomain: is foo\.bar.*started again/);
  assert.equal((await startingMesh(client, defaultMesh(), undefined)).trustDomain, "foo.bar");
});

test("what an earlier version read otherwise is read as then; it may stay, and is refused where it is new", async () => {
  const older =
    "{trustDomain: foo.bar, accessLogFile: off, defaultConfig: {proxyMetadata: {A: on, B: 1_000}}}";
  const { settings, diagnostics } = readMeshConfigMap(configMap(older)) ?? {};
  const { trustDomain, accessLogFile } = settings?.mesh ?? {};
  const { proxyMetadata } = settings?.proxy.defaultConfig ?? {};
  assert.deepEqual(
    [trustDomain, accessLogFile, { ...proxyMetadata }],
    ["foo.bar", "off", { A: "on", B: "1_000" }],
  );
  assert.deepEqual(
    diagnostics?.map(({ path, message, newOnly }) => [newOnly, `${path} ${message}`]),
    [
      [true, "data.mesh: accessLogFile found a boolean (false), want a string"],
      [true, "data.mesh: defaultConfig.proxyMetadata.A found a boolean (true), want a string"],
      [true, "data.mesh: defaultConfig.proxyMetadata.B found an integer (1000), want a string"],
    ],
  );
  const admit = (before: JsonObject | undefined, object: JsonObject) =>
    meshConfigAdmission({
      ...{ kind: configMapKind, namespace: "istio-system", object, before },
      tables: new ObjectTables(),
    });
  assert.match(refusal(admit(undefined, configMap(older))), /accessLogFile: found a boolean/);
  const labelled = {
    ...configMap(older),
    metadata: { name: "istio", namespace: "istio-system", labels: {} },
  };
  const kept = admit(configMap(older), labelled);
  assert.ok(kept.ok);
  assert.match(kept.warnings.join("\n"), /accessLogFile: found .*what is stored stays in force/);
  assert.match(refusal(admit(configMap(older), configMap(`${older} `))), /accessLogFile: found/);
  const broken = admit(configMap("a: [b"), { ...configMap("a: [b"), immutable: false });
  assert.ok(broken.ok, "whatever is wrong with what is stored");
});

test("lateen up --mesh-config replaces what is there, and refuses what is wrong", async () => {
  const client = localClient();
  await ensureMeshConfig(client, undefined, assert.fail);
  const told: string[] = [];
  const write = (text: string): Promise<void> =>
    ensureMeshConfig(client, { path: "mesh.yaml", text }, line => told.push(line));
  await write("{trustDomain: foo.bar, dnsRefreshRate: 5s}");
  assert.match(told.join("\n"), /--mesh-config mesh\.yaml: data\.mesh: dnsRefreshRate/);
  assert.equal((await startingMesh(client, defaultMesh(), undefined)).trustDomain, "foo.bar");
  await assert.rejects(write("trustDomain: [1]"), /--mesh-config mesh\.yaml: .*trustDomain: found/);
});
