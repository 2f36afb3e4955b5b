/** The mesh configuration as an input: ConfigMap `istio` of the control plane's namespace, key `mesh`. */
import { configMapKind } from "../api/config-map/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { decodeMeshConfig } from "../api/mesh-config/decode.ts";
import { decodeProxyDefaults, type ProxyDefaults } from "../api/mesh-config/proxy-config.ts";
import { type Diagnostic, messageOf, type Result } from "../base/diagnostic.ts";
import type { InputCollection } from "../flow/types.ts";
import { MESH_KEY } from "../model/inputs.ts";
import type { Mesh } from "../model/types.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import type { InputBinding, LastGood } from "../sources/input-writer.ts";
import { isObject, objectAt, stringAt } from "../sources/json.ts";
import { decodeYaml } from "../sources/yaml.ts";

export const MESH_CONFIG_MAP = "istio";
/** Istio's namespace of the control plane; MeshConfig's rootNamespace may be another one. */
export const SYSTEM_NAMESPACE = "istio-system";

/** The ConfigMap that holds the mesh configuration. */
export interface MeshConfigPlace {
  readonly namespace: string;
  readonly name: string;
}

const DEFAULT_PLACE: MeshConfigPlace = { namespace: SYSTEM_NAMESPACE, name: MESH_CONFIG_MAP };

/** Istio's names: `istio`, and `istio-REVISION` for a control-plane revision with a name. */
export function meshConfigPlace(systemNamespace: string, revision: string): MeshConfigPlace {
  const suffix = revision === "default" || revision === "" ? "" : `-${revision}`;
  return { namespace: systemNamespace, name: `${MESH_CONFIG_MAP}${suffix}` };
}

function keyOf({ namespace, name }: MeshConfigPlace): string {
  return `${namespace}/${name}`;
}

/** YAML inside of YAML: what stands in it is named behind this. */
const FIELD = "data.mesh";

/** What the control plane and the injector take from one MeshConfig. */
export interface MeshSettings {
  readonly mesh: Mesh;
  readonly proxy: ProxyDefaults;
}

export interface ReadMeshConfig {
  /** undefined: the text has errors. */
  readonly settings: MeshSettings | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** The defaults of Istio's MeshConfig. */
export function defaultMesh(): Mesh {
  return defaultSettings().mesh;
}

export function defaultSettings(): MeshSettings {
  const decoded = decodeJson({});
  if (!decoded.ok) throw new Error(describe(decoded.diagnostics));
  return decoded.value;
}

/** Reads `--mesh-config`; throws with the reason for a person, and tells `warn` of the rest. */
export function parseMeshConfig(text: string, warn: (message: string) => void): Mesh {
  const { settings, diagnostics } = decodeText(text);
  if (settings === undefined) throw new Error(describe(diagnostics));
  for (const each of diagnostics) warn(describe([each]));
  return settings.mesh;
}

function describe(diagnostics: readonly Diagnostic[]): string {
  return diagnostics.map(each => `${each.path} ${messageOf(each)}`.trim()).join("; ");
}

function decodeText(text: string): ReadMeshConfig {
  const decoded = decodeYaml<MeshSettings>(text, read => {
    if ("problem" in read) return broken(`is not YAML: ${read.problem}`);
    const json = read.value ?? {};
    if (!isObject(json))
      return broken(`found ${JSON.stringify(json).slice(0, 80)}, want the fields of MeshConfig`);
    return decodeJson(json);
  });
  const { diagnostics } = decoded;
  return { settings: decoded.ok ? decoded.value : undefined, diagnostics };
}

function decodeJson(json: JsonObject): Result<MeshSettings> {
  const mesh = decodeMeshConfig(json);
  const proxy = decodeProxyDefaults(json);
  const { diagnostics } = mesh;
  if (!mesh.ok || !proxy.ok) return { ok: false, diagnostics };
  return { ok: true, value: { mesh: mesh.value, proxy: proxy.value }, diagnostics };
}

function broken(message: string): Result<MeshSettings> {
  const diagnostic = { severity: "error", path: "", message, reason: "BadMeshConfig" } as const;
  return { ok: false, diagnostics: [diagnostic] };
}

/** What an object says if it is that ConfigMap; undefined if not, or without a key `mesh`. */
export function readMeshConfigMap(
  object: JsonObject,
  place: MeshConfigPlace = DEFAULT_PLACE,
): ReadMeshConfig | undefined {
  const metadata = objectAt(object, "metadata");
  const text = objectAt(object, "data")["mesh"];
  const key = `${stringAt(metadata, "namespace")}/${stringAt(metadata, "name")}`;
  if (key !== keyOf(place) || typeof text !== "string") return undefined;
  const { settings, diagnostics } = decodeText(text);
  const path = (inside: string): string => (inside === "" ? FIELD : `${FIELD}: ${inside}`);
  return { settings, diagnostics: diagnostics.map(each => ({ ...each, path: path(each.path) })) };
}

/**
 * The mesh configuration that a control plane starts with: of the ConfigMap, or where that is broken
 * the last good one of it; else `base`. Throws when the API does not answer.
 */
export async function startingMesh(
  client: ApiClient,
  base: Mesh,
  lastGood: LastGood | undefined,
  place: MeshConfigPlace = DEFAULT_PLACE,
): Promise<Mesh> {
  const found = await client.get(configMapKind, place.namespace, place.name);
  if (!found.ok) {
    if (found.status.code === 404) return base;
    throw new Error(`ConfigMap ${keyOf(place)} can not be read: ${found.status.message}`);
  }
  const read = readMeshConfigMap(found.value, place);
  if (read === undefined) return base;
  if (read.settings !== undefined) return read.settings.mesh;
  const kept = lastGood?.get(`/${configMapKind.kind}`, keyOf(place));
  return (kept && readMeshConfigMap(kept, place)?.settings?.mesh) ?? base;
}

export interface MeshConfigBindingOptions {
  /** Where there is no ConfigMap. */
  readonly base: Mesh;
  /** What the running control plane's identities are of; undefined: it gives out none. */
  readonly trustDomain: string | undefined;
  readonly place?: MeshConfigPlace | undefined;
}

/** Other ConfigMaps are accepted and set nothing. */
export function meshConfigBinding(
  collection: InputCollection<Mesh>,
  { base, trustDomain, place = DEFAULT_PLACE }: MeshConfigBindingOptions,
): InputBinding {
  const kept = (mesh: Mesh): Mesh => (trustDomain === undefined ? mesh : { ...mesh, trustDomain });
  let given = false;
  return {
    kind: configMapKind,
    decode(object) {
      const decoded = configMapKind.decode(object);
      if (!decoded.ok) return { diagnostics: decoded.diagnostics, write: undefined };
      const read = readMeshConfigMap(object, place);
      if (read === undefined) return { diagnostics: decoded.diagnostics, write: () => {} };
      const mesh = read.settings?.mesh;
      if (mesh === undefined) return { diagnostics: read.diagnostics, write: undefined };
      return {
        diagnostics: [...read.diagnostics, ...waitsForRestart(mesh, trustDomain)],
        write(writer) {
          given = true;
          writer.set(collection, MESH_KEY, kept(mesh));
        },
      };
    },
    has: key => key === keyOf(place) && given,
    remove(writer, key) {
      if (key !== keyOf(place)) return;
      given = false;
      writer.set(collection, MESH_KEY, kept(base));
    },
  };
}

function waitsForRestart(mesh: Mesh, running: string | undefined): Diagnostic[] {
  if (running === undefined || mesh.trustDomain === running) return [];
  return [trustDomainChange(running, mesh.trustDomain)];
}

/** Half a mesh under another trust domain would trust nobody: all of it changes at once. */
export function trustDomainChange(from: string, to: string): Diagnostic {
  return {
    severity: "warning",
    path: `${FIELD}: trustDomain`,
    message: `is ${to}, the running mesh's is ${from}: takes effect when the mesh is started again`,
    reason: "NeedsRestart",
  };
}
