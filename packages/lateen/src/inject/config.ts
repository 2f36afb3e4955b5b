/** What an injector works with: ConfigMaps `istio-sidecar-injector` and `istio`, read and checked. */
import { decode } from "../api/decode.ts";
import type { JsonObject } from "../api/kind.ts";
import { decodeProxyDefaults, type ProxyDefaults } from "../api/mesh-config/proxy-config.ts";
import { Report } from "../api/report.ts";
import { enumOf, list, map, object, orElse, string, type TypeOf } from "../api/schema.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import type { InjectionPolicy } from "../proxy/inject.ts";
import { isObject } from "../sources/json.ts";
import { readYamlValue } from "../sources/yaml.ts";
import { decodeValues, type InjectionValues, labelSelector } from "./values.ts";

export interface InjectorConfig {
  /** `default`, or the revision of the control plane. */
  readonly revision: string;
  readonly policy: InjectionPolicy;
  readonly injectedAnnotations: Readonly<Record<string, string>>;
  /** Custom templates by name; `sidecar` and `gateway` are built in. */
  readonly templates: Readonly<Record<string, string>>;
  readonly defaultTemplates: readonly string[];
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  readonly values: InjectionValues;
  /** As they came, for what templates ask. */
  readonly rawValues: JsonObject;
  /** MeshConfig, likewise. */
  readonly rawMesh: JsonObject;
  readonly mesh: ProxyDefaults;
}

/** Texts as the ConfigMaps hold them; "" stands for what is not there. */
export interface InjectorTexts {
  /** Key `config` of ConfigMap istio-sidecar-injector, YAML. */
  readonly config: string;
  /** Key `values` of the same, JSON. */
  readonly values: string;
  /** Key `mesh` of ConfigMap istio, YAML. */
  readonly mesh: string;
}

export const BUILT_IN_TEMPLATES: readonly string[] = ["sidecar", "gateway"];

const injectConfig = object(
  {
    policy: orElse(enumOf(["enabled", "disabled"]), "enabled"),
    neverInjectSelector: list(labelSelector),
    alwaysInjectSelector: list(labelSelector),
    injectedAnnotations: map(string()),
    templates: map(string()),
    defaultTemplates: list(string()),
    aliases: map(list(string())),
  },
  { open: true },
);

/** Errors name the text and the field in it; then nothing may be injected from it. */
export function readInjectorConfig(texts: InjectorTexts): Result<InjectorConfig> {
  const diagnostics: Diagnostic[] = [];
  const rawValues = readObject("values", texts.values, diagnostics);
  const rawMesh = readObject("mesh", texts.mesh, diagnostics);
  const mesh = decodeProxyDefaults(rawMesh);
  const values = decodeValues(rawValues);
  const config = decodeConfig(readObject("config", texts.config, diagnostics), diagnostics);
  diagnostics.push(...values.diagnostics);
  // What is wrong with the rest of MeshConfig is said where it is carried out.
  const ofProxies = mesh.diagnostics.filter(
    ({ severity, path }) => severity === "error" || path.startsWith("defaultConfig"),
  );
  diagnostics.push(...ofProxies);
  if (!values.ok || !mesh.ok || config === undefined || hasErrors(diagnostics))
    return { ok: false, diagnostics };
  const webhook = values.value.sidecarInjectorWebhook;
  const templates = { ...webhook.templates, ...config.templates };
  const value: InjectorConfig = {
    revision: values.value.revision || "default",
    policy: {
      enabled: config.policy === "enabled",
      neverInjectSelector: [...config.neverInjectSelector, ...webhook.neverInjectSelector],
      alwaysInjectSelector: [...config.alwaysInjectSelector, ...webhook.alwaysInjectSelector],
    },
    injectedAnnotations: { ...webhook.injectedAnnotations, ...config.injectedAnnotations },
    templates: customTemplates(templates, diagnostics),
    defaultTemplates:
      config.defaultTemplates.length > 0 ? config.defaultTemplates : webhook.defaultTemplates,
    aliases: config.aliases,
    values: values.value,
    rawValues,
    rawMesh,
    mesh: mesh.value,
  };
  return { ok: true, value, diagnostics };
}

function customTemplates(
  all: Readonly<Record<string, string>>,
  diagnostics: Diagnostic[],
): Readonly<Record<string, string>> {
  const custom: Record<string, string> = {};
  for (const [name, text] of Object.entries(all)) {
    if (!BUILT_IN_TEMPLATES.includes(name)) custom[name] = text;
    else
      diagnostics.push({
        severity: "warning",
        path: `config.templates[${name}]`,
        message: `template ${name} is built in: the text under this name is not used`,
        reason: "BuiltIn",
      });
  }
  return custom;
}

function decodeConfig(
  json: JsonObject,
  diagnostics: Diagnostic[],
): TypeOf<typeof injectConfig> | undefined {
  const report = new Report();
  const decoded = decode(injectConfig, json, report, ["config"]);
  diagnostics.push(...report.diagnostics());
  return decoded;
}

function readObject(name: string, text: string, diagnostics: Diagnostic[]): JsonObject {
  if (text.trim() === "") return {};
  const json = readYamlValue(text);
  if (json === null) return {};
  if (isObject(json)) return json;
  const message = `${name} holds no YAML object of at most 1 MiB`;
  diagnostics.push({ severity: "error", path: name, message, reason: "WrongType" });
  return {};
}

function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error");
}
