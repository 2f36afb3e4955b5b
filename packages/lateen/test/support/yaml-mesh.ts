/** A mesh of objects in YAML, with what is found about them, for tests. */
import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { kindOfObject } from "../../src/api/registry.ts";
import { createMeshGraph, inputBindings, type MeshGraph } from "../../src/bin/mesh-graph.ts";
import { asJson, isObject, type JsonObject } from "../../src/debug/compare/json.ts";
import type { CommitStats } from "../../src/flow/types.ts";
import { objectKey } from "../../src/model/inputs.ts";
import { lines } from "./api.ts";

export class YamlMesh {
  readonly mesh: MeshGraph = createMeshGraph();
  readonly #bindings = inputBindings(this.mesh.inputs);
  #count = 0;

  /** Each object one second younger than the one before. */
  apply(text: string): CommitStats {
    const objects = parseAllDocuments(text).map(each => asJson(each.toJS()));
    return this.mesh.graph.commit({ source: "test" }, writer => {
      for (const object of objects.filter(isObject)) {
        const { binding, key, timed } = this.#place(object);
        const { write, diagnostics } = binding.decode(timed);
        assert.ok(write !== undefined, `${key}: ${lines(diagnostics).join("; ")}`);
        write(writer, key);
      }
    });
  }

  remove(text: string): CommitStats {
    const objects = parseAllDocuments(text).map(each => asJson(each.toJS()));
    return this.mesh.graph.commit({ source: "test" }, writer => {
      for (const object of objects.filter(isObject)) {
        const { binding, key } = this.#place(object);
        binding.remove(writer, key);
      }
    });
  }

  /** `KIND/namespace/name path: message`. */
  findings(): string[] {
    return [...this.mesh.model.findings.entries()].flatMap(([key, found]) =>
      found.map(({ path, message }) => `${key} ${path}: ${message}`),
    );
  }

  #place(object: JsonObject) {
    const kind = kindOfObject(String(object["apiVersion"]), String(object["kind"]));
    const binding = this.#bindings.find(each => each.kind === kind);
    assert.ok(kind !== undefined && binding !== undefined, String(object["kind"]));
    const given = isObject(object["metadata"]) ? object["metadata"] : {};
    const namespace = kind.namespaced ? String(given["namespace"] ?? "default") : "";
    const name = String(given["name"]);
    this.#count++;
    const creationTimestamp = new Date(this.#count * 1000).toISOString();
    const timed = { ...object, metadata: { creationTimestamp, ...given, namespace } };
    return { binding, key: objectKey({ namespace, name }), timed };
  }
}

/** An object of networking.istio.io with `spec` in YAML's flow style. */
export function istio(kind: string, name: string, spec: string): string {
  return `---\napiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: ${metadata(name)}\nspec: ${spec}\n`;
}

export function core(kind: string, name: string, spec: string, more = ""): string {
  return `---\napiVersion: v1\nkind: ${kind}\nmetadata: ${metadata(name, more)}\nspec: ${spec}\n`;
}

/** `namespace/name`, or a name in `default`. */
function metadata(name: string, more = ""): string {
  const [namespace, own = namespace] = name.includes("/") ? name.split("/") : ["default", name];
  return `{namespace: ${namespace}, name: ${own}${more === "" ? "" : `, ${more}`}}`;
}
