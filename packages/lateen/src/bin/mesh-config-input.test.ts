import assert from "node:assert/strict";
import { test } from "node:test";
import { createGraph } from "../flow/graph.ts";
import { createInputs, MESH_KEY } from "../model/inputs.ts";
import { defaultMesh, meshConfigBinding, parseMeshConfig } from "./mesh-config-input.ts";

const configMap = (mesh: string, name = "istio") => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "istio-system" },
  data: { mesh },
});

function setUp() {
  const graph = createGraph();
  const inputs = createInputs(graph);
  const binding = meshConfigBinding(inputs.mesh, defaultMesh());
  const apply = (object: ReturnType<typeof configMap>) => {
    const { write, diagnostics } = binding.decode(object);
    if (write !== undefined) graph.commit({ source: "test" }, writer => write(writer, "key"));
    return diagnostics;
  };
  return { apply, mesh: () => inputs.mesh.get(MESH_KEY) };
}

test("the mesh configuration of ConfigMap istio is taken over, other ConfigMaps are not", () => {
  const { apply, mesh } = setUp();
  apply(configMap("accessLogFile: /dev/stdout"));
  assert.equal(mesh()?.accessLogFile, "/dev/stdout");
  apply(configMap("accessLogFile: /dev/stderr", "another"));
  assert.equal(mesh()?.accessLogFile, "/dev/stdout");
});

test("a trust domain that the CA was not made for is refused, and the mesh stays as it was", () => {
  const { apply, mesh } = setUp();
  apply(configMap("accessLogFile: /dev/stdout"));
  const [problem] = apply(configMap("trustDomain: foo.bar"));
  assert.equal(problem?.severity, "error");
  assert.match(problem?.message ?? "", /is foo\.bar; this mesh's CA was made for cluster\.local/);
  assert.equal(mesh()?.trustDomain, "cluster.local");
});

test("what --mesh-config says in vain is told", () => {
  const told: string[] = [];
  parseMeshConfig("acessLogFile: x", message => told.push(message));
  assert.match(told.join(), /acessLogFile/);
});
