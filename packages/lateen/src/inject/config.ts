/** What an injector works with: ConfigMaps `istio-sidecar-injector` and `istio`, read and checked. */
import { decode } from "../api/decode.ts";
import type { Decoded, JsonObject } from "../api/kind.ts";
import { decodeProxyDefaults, type ProxyDefaults } from "../api/mesh-config/proxy-config.ts";
import { Report } from "../api/report.ts";
import { enumOf, list, map, object, orElse, string, type TypeOf } from "../api/schema.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import type { InjectionPolicy } from "../proxy/inject.ts";
import { isObject } from "../sources/json.ts";
import { decodeYaml } from "../sources/yaml.ts";
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
  const values = readText("values", texts.values, decodeValues);
  const mesh = readText("mesh", texts.mesh, decodeProxyDefaults);
  const config = readText("config", texts.config, decodeConfig);
  diagnostics.push(...config.diagnostics, ...values.diagnostics);
  // What is wrong with the rest of MeshConfig is said where it is carried out.
  const ofProxies = mesh.diagnostics.filter(
    ({ severity, path }) => severity === "error" || path.startsWith("defaultConfig"),
  );
  diagnostics.push(...ofProxies);
  if (!values.ok || !mesh.ok || !config.ok || hasErrors(diagnostics))
    return { ok: false, diagnostics };
  const { value: configured } = config.value;
  const { value: injection } = values.value;
  const webhook = injection.sidecarInjectorWebhook;
  const templates = { ...webhook.templates, ...configured.templates };
  const value: InjectorConfig = {
    revision: injection.revision || "default",
    policy: {
      enabled: configured.policy === "enabled",
      neverInjectSelector: [...configured.neverInjectSelector, ...webhook.neverInjectSelector],
      alwaysInjectSelector: [...configured.alwaysInjectSelector, ...webhook.alwaysInjectSelector],
    },
    injectedAnnotations: { ...webhook.injectedAnnotations, ...configured.injectedAnnotations },
    templates: customTemplates(templates, diagnostics),
    defaultTemplates:
      configured.defaultTemplates.length > 0
        ? configured.defaultTemplates
        : webhook.defaultTemplates,
    aliases: configured.aliases,
    values: injection,
    rawValues: values.value.raw,
    rawMesh: mesh.value.raw,
    mesh: mesh.value.value,
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

function decodeConfig(json: JsonObject): Decoded<TypeOf<typeof injectConfig>> {
  const report = new Report();
  const decoded = decode(injectConfig, json, report, ["config"]);
  const diagnostics = report.diagnostics();
  if (report.failed || decoded === undefined) return { ok: false, diagnostics };
  return { ok: true, value: decoded, diagnostics };
}

/** What a text says, as it came and decoded. */
function readText<T>(
  name: string,
  text: string,
  decodeObject: (json: JsonObject) => Decoded<T>,
): Result<{ readonly raw: JsonObject; readonly value: T }> {
  return decodeYaml(text.trim(), read => {
    const raw = "problem" in read ? undefined : (read.value ?? {});
    if (!isObject(raw)) {
      const message = `${name} holds no YAML object of at most 1 MiB`;
      const diagnostic = { severity: "error", path: name, message, reason: "WrongType" } as const;
      return { ok: false, diagnostics: [diagnostic] };
    }
    const decoded = decodeObject(raw);
    if (!decoded.ok) return decoded;
    return { ...decoded, value: { raw, value: decoded.value } };
  });
}

function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error");
}
