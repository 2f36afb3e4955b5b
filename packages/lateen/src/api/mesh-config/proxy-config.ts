/** ProxyConfig: what MeshConfig's defaultConfig, and a pod for itself, say about the proxy. */
import { decode } from "../decode.ts";
import type { Decoded, JsonObject } from "../kind.ts";
import { Report } from "../report.ts";
import { meshConfigSchema, type ProxyConfig, proxyConfigSchema } from "./schema.ts";

/** The part of MeshConfig that makes a sidecar what it is. */
export interface ProxyDefaults {
  readonly trustDomain: string;
  readonly rootNamespace: string;
  readonly enablePrometheusMerge: boolean;
  readonly defaultConfig: ProxyConfig;
}

/** `json` is MeshConfig's parsed YAML; null stands for an empty document. */
export function decodeProxyDefaults(json: JsonObject | null): Decoded<ProxyDefaults> {
  const report = new Report();
  const decoded = decode(meshConfigSchema, json ?? {}, report);
  const diagnostics = report.diagnostics();
  if (report.failed || decoded === undefined) return { ok: false, diagnostics };
  const { trustDomain, rootNamespace, defaultConfig } = decoded;
  const enablePrometheusMerge = decoded.enablePrometheusMerge ?? true;
  const value = { trustDomain, rootNamespace, enablePrometheusMerge, defaultConfig };
  return { ok: true, value, diagnostics };
}

/** One ProxyConfig alone, as annotation `proxy.istio.io/config` holds it; `path` names it. */
export function decodeProxyConfig(json: JsonObject, path: string): Decoded<ProxyConfig> {
  const report = new Report();
  const decoded = decode(proxyConfigSchema, json, report, [path]);
  const diagnostics = report.diagnostics();
  if (report.failed || decoded === undefined) return { ok: false, diagnostics };
  return { ok: true, value: decoded, diagnostics };
}

/** `own` over `base`, field by field; what is by name is joined, as Istio joins proxyMetadata. */
export function mergeProxyConfig(base: ProxyConfig, own: ProxyConfig): ProxyConfig {
  return {
    ...base,
    ...own,
    meshId: own.meshId || base.meshId,
    extraStatTags: own.extraStatTags.length > 0 ? own.extraStatTags : base.extraStatTags,
    proxyMetadata: { ...base.proxyMetadata, ...own.proxyMetadata },
    runtimeValues: { ...base.runtimeValues, ...own.runtimeValues },
  };
}
