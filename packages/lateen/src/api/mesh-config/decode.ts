/** MeshConfig: not a resource, but the YAML under `mesh` in ConfigMap `istio` or a file. */
import { decode } from "../decode.ts";
import type { Decoded, JsonObject } from "../kind.ts";
import { Report } from "../report.ts";
import { DEFAULT_ACCESS_LOG_FORMAT } from "./access-log-format.ts";
import { meshConfigSchema } from "./schema.ts";

/** What of MeshConfig is carried out, with Istio's defaults filled in: the model's `Mesh` row. */
export interface MeshConfig {
  readonly trustDomain: string;
  readonly rootNamespace: string;
  /** Suffix of Kubernetes host names; a setting of the control plane, not of MeshConfig's YAML. */
  readonly domain: string;
  /** "" for no access log. */
  readonly accessLogFile: string;
  readonly accessLogFormat: string;
  readonly outboundTrafficPolicy: "ALLOW_ANY" | "REGISTRY_ONLY";
  readonly enableAutoMtls: boolean;
  readonly meshId: string;
}

export const DEFAULT_DOMAIN = "cluster.local";

/** `json` is the parsed YAML; null stands for an empty document. */
export function decodeMeshConfig(
  json: JsonObject | null,
  domain: string = DEFAULT_DOMAIN,
): Decoded<MeshConfig> {
  const report = new Report();
  const decoded = decode(meshConfigSchema, json ?? {}, report);
  const diagnostics = report.diagnostics();
  if (report.failed || decoded === undefined) return { ok: false, diagnostics };
  const { trustDomain, rootNamespace, accessLogFile, enableAutoMtls } = decoded;
  const value = Object.freeze({
    trustDomain,
    rootNamespace,
    domain,
    accessLogFile,
    accessLogFormat: decoded.accessLogFormat || DEFAULT_ACCESS_LOG_FORMAT,
    outboundTrafficPolicy: decoded.outboundTrafficPolicy.mode,
    enableAutoMtls,
    meshId: decoded.defaultConfig.meshId || trustDomain,
  });
  return { ok: true, value, diagnostics };
}
