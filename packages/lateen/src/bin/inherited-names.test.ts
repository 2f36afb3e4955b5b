/** Names from outside that every object inherits: they name nothing, wherever they are looked up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { graphSource } from "../../test/support/graph-source.ts";
import { destinationRule, service } from "../../test/support/mesh-objects.ts";
import { own } from "../base/own.ts";
import { ConnectionTable } from "../debug/connections.ts";
import type { Node, Peer } from "../discovery/types.ts";
import { chosenTemplates } from "../inject/overlay.ts";
import { mergePatch } from "../sources/kube-api/json-patch.ts";
import { TypeUrl } from "../xds/resource.ts";
import { defaultMesh } from "./mesh-config-input.ts";
import { createMeshGraph } from "./mesh-graph.ts";

const INHERITED = ["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__"];
const peer: Peer = { transport: "plaintext", identity: undefined, claims: {}, address: "::1" };
const node: Node = {
  id: "sidecar~10.0.0.1~a.edge~edge.svc.cluster.local",
  cluster: "",
  userAgentName: "",
  userAgentVersion: "",
  metadata: {},
  locality: { region: "", zone: "", subZone: "" },
};

test("own finds what an object has itself", () => {
  assert.equal(own({ a: 1 }, "a"), 1);
  for (const name of INHERITED) assert.equal(own({ a: 1 }, name), undefined, name);
  assert.equal(own(JSON.parse('{"__proto__": 2}'), "__proto__"), 2);
  assert.equal(own(undefined, "a"), undefined);
});

test("no type and no name on a stream stands for what objects inherit", () => {
  const mesh = createMeshGraph();
  const { graph, inputs } = mesh;
  const { source } = graphSource(mesh, new FakeClock());
  const spec = { clusterIP: "10.1.0.1", ports: [{ name: "http", port: 80 }] };
  const rule = destinationRule(
    { at: "edge/web" },
    { host: "web.edge.svc.cluster.local", subsets: [{ name: "v1", labels: { version: "v1" } }] },
  );
  graph.commit({ source: "test" }, writer => {
    writer.set(inputs.mesh, "mesh", defaultMesh());
    writer.set(inputs.services, "edge/web", service({ at: "edge/web" }, spec));
    writer.set(inputs.destinationRules, "edge/web", rule);
  });
  source.markReady();
  const connection = source.connect(node, peer, "delta");
  assert.ok(!("refused" in connection));
  const has = (type: string, name: string): boolean => {
    const set = connection.named(type, [name]);
    set.retain();
    set.settle(() => false);
    const found = set.cell(name)?.value() !== undefined;
    set.release();
    return found;
  };
  const host = "web.edge.svc.cluster.local";
  assert.equal(has(TypeUrl.endpoint, `outbound|80|v1|${host}`), true);
  for (const name of INHERITED) {
    assert.equal(connection.wildcard(name), undefined, name);
    assert.equal(has(name, name), false, name);
    for (const type of Object.values(TypeUrl)) {
      assert.equal(has(type, name), false, `${type} ${name}`);
      assert.equal(has(type, `outbound|80|${name}|${host}`), false, `${type} subset ${name}`);
    }
  }
  connection.close();
});

test("a type of such a name is a row of the debug pages like others", () => {
  const table = new ConnectionTable(() => 0);
  const facts = {
    type: "sidecar",
    cluster: "",
    version: "",
    address: "",
    form: "delta",
    verified: false,
  } as const;
  table.open("1", { proxy: "a.b", ...facts });
  for (const type of INHERITED) table.report("1", { kind: "subscribed", type });
  assert.deepEqual(Object.keys(table.syncz()[0]?.types ?? {}).sort(), [...INHERITED].sort());
});

test("a merge patch adds a field of such a name as any other", () => {
  const patch = { labels: { constructor: { name: "x" } } };
  assert.deepEqual(mergePatch({ labels: { a: "b" } }, patch), {
    labels: { a: "b", constructor: { name: "x" } },
  });
});

test("a pod that asks for a template of such a name is told which there are", () => {
  const config = { templates: {}, aliases: {}, defaultTemplates: [] };
  for (const name of INHERITED) {
    const chosen = chosenTemplates(config, { "inject.istio.io/templates": name });
    assert.equal(chosen.ok, false, name);
    const [problem] = chosen.diagnostics;
    assert.match(problem?.message ?? "", /expected one of sidecar, gateway/, name);
  }
});
