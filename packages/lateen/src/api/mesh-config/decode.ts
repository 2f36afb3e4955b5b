/** MeshConfig: not a resource, but the YAML under `mesh` in ConfigMap `istio` or a file. */
import { decode } from "../decode.ts";
import type { Decoded, JsonObject } from "../kind.ts";
import { Report } from "../report.ts";
import type { TypeOf } from "../schema.ts";
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
  /** Milliseconds, 0 for ever; undefined: as long as is right for what is guessed. */
  readonly protocolDetectionTimeout: number | undefined;
  readonly ingress: IngressSettings;
}

/** How Ingresses are carried out (MeshConfig.ingress*). */
export interface IngressSettings {
  readonly mode: "OFF" | "DEFAULT" | "STRICT";
  /** Value of the annotation that makes an Ingress the mesh's. */
  readonly class: string;
  /** Service whose address is written into their status. */
  readonly service: string;
  /** Value of the label `istio` of the gateway's pods. */
  readonly selector: string;
}

/** Istio: the usual Service goes with the usual label, any other one with a label of its own name. */
function ingressSettings(decoded: TypeOf<typeof meshConfigSchema>): IngressSettings {
  const { ingressControllerMode: mode, ingressClass, ingressService, ingressSelector } = decoded;
  const isUsual = ingressService === "" || ingressService === "istio-ingressgateway";
  return {
    mode: mode === "UNSPECIFIED" ? "STRICT" : mode,
    class: ingressClass,
    service: ingressService,
    selector: ingressSelector || (isUsual ? "ingressgateway" : ingressService),
  };
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
    protocolDetectionTimeout: decoded.protocolDetectionTimeout,
    ingress: ingressSettings(decoded),
  });
  return { ok: true, value, diagnostics };
}
