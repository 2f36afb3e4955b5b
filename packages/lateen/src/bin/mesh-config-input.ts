/** The mesh configuration as an input: ConfigMap `istio` of the root namespace, key `mesh`. */
import { parse } from "yaml";
import { configMapKind } from "../api/config-map/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { decodeMeshConfig } from "../api/mesh-config/decode.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { InputCollection } from "../flow/types.ts";
import { MESH_KEY } from "../model/inputs.ts";
import type { Mesh } from "../model/types.ts";
import type { InputBinding } from "../sources/input-writer.ts";

export const MESH_CONFIG_MAP = "istio";
const ROOT_NAMESPACE = "istio-system";
const KEY = `${ROOT_NAMESPACE}/${MESH_CONFIG_MAP}`;

/** The defaults of Istio's MeshConfig. */
export function defaultMesh(): Mesh {
  return meshOf({});
}

function meshOf(json: JsonObject): Mesh {
  const decoded = decodeMeshConfig(json);
  if (!decoded.ok) throw new Error(describe(decoded.diagnostics));
  return decoded.value;
}

/** Reads `--mesh-config`; throws with the reason for a person, and tells `warn` of the rest. */
export function parseMeshConfig(text: string, warn: (message: string) => void): Mesh {
  const decoded = decodeText(text);
  if (decoded.mesh === undefined) throw new Error(describe(decoded.diagnostics));
  for (const each of decoded.diagnostics) warn(describe([each]));
  return decoded.mesh;
}

function describe(diagnostics: readonly Diagnostic[]): string {
  return diagnostics.map(each => `${each.path} ${each.message}`.trim()).join("; ");
}

function decodeText(text: string): { mesh: Mesh | undefined; diagnostics: readonly Diagnostic[] } {
  let json: unknown;
  try {
    json = parse(text, { maxAliasCount: 100 }) ?? {};
  } catch (error) {
    return broken(`is not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return broken("is not a mapping; expected the fields of MeshConfig");
  }
  const decoded = decodeMeshConfig(json as JsonObject);
  return { mesh: decoded.ok ? decoded.value : undefined, diagnostics: decoded.diagnostics };
}

function broken(message: string): { mesh: undefined; diagnostics: readonly Diagnostic[] } {
  return {
    mesh: undefined,
    diagnostics: [{ severity: "error", path: "data.mesh", message, reason: "BadMeshConfig" }],
  };
}

/**
 * Other ConfigMaps are accepted and set nothing. The trust domain and the root namespace are those
 * that the CA was opened with (`fallback`): half a mesh under another trust domain trusts nobody.
 */
export function meshConfigBinding(collection: InputCollection<Mesh>, fallback: Mesh): InputBinding {
  return {
    kind: configMapKind,
    decode(object) {
      const decoded = configMapKind.decode(object);
      if (!decoded.ok) return { diagnostics: decoded.diagnostics, write: undefined };
      const { metadata, data } = decoded.value;
      const text = data?.["mesh"];
      const isMesh = `${metadata.namespace}/${metadata.name}` === KEY && text !== undefined;
      if (!isMesh) return { diagnostics: decoded.diagnostics, write: () => {} };
      const { mesh, diagnostics: found } = decodeText(text);
      const diagnostics = [...found, ...(mesh === undefined ? [] : pinned(mesh, fallback))];
      if (mesh === undefined || diagnostics.length > found.length) {
        return { diagnostics, write: undefined };
      }
      return { diagnostics, write: writer => writer.set(collection, MESH_KEY, mesh) };
    },
    has: key => key === KEY,
    remove(writer, key) {
      if (key === KEY) writer.set(collection, MESH_KEY, fallback);
    },
  };
}

/** What can not change while the control plane runs. */
const PINNED = ["trustDomain", "rootNamespace"] as const;

function pinned(mesh: Mesh, fallback: Mesh): Diagnostic[] {
  return PINNED.filter(field => mesh[field] !== fallback[field]).map(field => ({
    severity: "error",
    path: `data.mesh: ${field}`,
    message: `is ${mesh[field]}; this mesh's CA was made for ${fallback[field]}, which can not be changed while it runs`,
    reason: "NotChangeable",
  }));
}
