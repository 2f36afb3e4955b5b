/** From profile, IstioOperator files and `--set` to one installation. */
import type { Json, JsonObject } from "../api/kind.ts";
import { decodeMeshConfig } from "../api/mesh-config/decode.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { checkPaths } from "./known-paths.ts";
import { notCarriedOut } from "./not-carried-out.ts";
import { mergeObjects, obstacle, pathText, setAt } from "./path.ts";
import { DEFAULT_PROFILE, PROFILES, profileSpec } from "./profiles.ts";
import { dividedByComma, parseSetting, type Setting } from "./set-value.ts";

export const OPERATOR_API = "install.istio.io/v1alpha1";
export const OPERATOR_KIND = "IstioOperator";
/** Nobody's registry: a cluster without the image can not get a stranger's by the same name. */
export const DEFAULT_HUB = "localhost/lateen";
export const SYSTEM_NAMESPACE = "istio-system";

export interface InstallInput {
  /** IstioOperator objects in the order of `-f`. */
  readonly operators: readonly JsonObject[];
  /** `path=value`, in their order; they go before files. */
  readonly sets: readonly string[];
  /** `--revision`. */
  readonly revision?: string;
  /** `--istioNamespace`, where somebody gave it. */
  readonly namespace?: string;
  /** Of this program: the tag of the images where nothing names one. */
  readonly version: string;
}

/** What is to be installed, all defaults filled in. */
export interface Installation {
  readonly profile: string;
  /** `default` for the control plane without a name. */
  readonly revision: string;
  readonly namespace: string;
  readonly version: string;
  readonly hub: string;
  readonly tag: string;
  readonly meshConfig: JsonObject;
  readonly components: JsonObject;
  readonly values: JsonObject;
  /** The whole spec, as `profile dump` shows it. */
  readonly spec: JsonObject;
}

/** Diagnostics name the path in the merged spec, or the `--set`. */
export function resolveInstallation(input: InstallInput): Result<Installation> {
  const diagnostics: Diagnostic[] = [];
  const wrong = (path: string, message: string): Result<never> => ({
    ok: false,
    diagnostics: [{ severity: "error", path, message, reason: "Invalid" }],
  });
  const sets: Setting[] = [];
  for (const text of input.sets) {
    const setting = parseSetting(text);
    if (setting === undefined)
      return wrong(
        "--set",
        `found "${text}"; expected PATH=VALUE, for example hub=registry.example/mesh`,
      );
    const second = dividedByComma(setting);
    if (second !== undefined)
      return wrong(
        "--set",
        `found "${text}", and a comma divides nothing; expected --set once more for ${second}, ` +
          "or \\, where the comma belongs to the value",
      );
    sets.push(setting);
  }
  const name = profileName(input, sets);
  const base = profileSpec(name);
  if (base === undefined) return wrong("profile", unknownProfile(name));
  const over = (basis: JsonObject, problems: Diagnostic[]): JsonObject => {
    let spec = basis;
    for (const operator of input.operators) spec = mergeObjects(spec, objectAt(operator, "spec"));
    for (const { text, path, value } of sets) {
      const problem = obstacle(spec, path);
      if (problem !== undefined)
        problems.push({
          severity: "error",
          path: `--set ${text}`,
          message: problem,
          reason: "Invalid",
        });
      else spec = setAt(spec, path, value === null ? undefined : value);
    }
    return spec;
  };
  const spec = { ...over(base, diagnostics), profile: name };
  diagnostics.push(...checkPaths(spec));
  const namespace = namespaceOf(over({}, []), input.namespace);
  diagnostics.push(...namespace.diagnostics);
  if (!namespace.ok || diagnostics.some(({ severity }) => severity === "error"))
    return { ok: false, diagnostics };
  return finish(inNamespace(spec, namespace.value), input, diagnostics);
}

/** `said`: what files and settings say, without the profile's defaults. */
function namespaceOf(said: JsonObject, flag: string | undefined): Result<string> {
  const found: readonly (readonly [string, string])[] = [
    ["--istioNamespace", flag ?? ""],
    ["spec.namespace", textAt(said, "namespace")],
    [VALUE_OF_NAMESPACE, textAt(objectAt(objectAt(said, "values"), "global"), "istioNamespace")],
  ];
  const given = found.filter(([, value]) => value !== "");
  const [[path, value] = ["", SYSTEM_NAMESPACE], ...others] = given;
  const problem = (message: string): Result<never> => ({
    ok: false,
    diagnostics: [{ severity: "error", path, message, reason: "Invalid" }],
  });
  const other = others.find(each => each[1] !== value);
  if (other !== undefined)
    return problem(
      `found "${value}", and ${other[0]} is "${other[1]}": both name the control plane's namespace; ` +
        "expected one of them, or the same in both",
    );
  // Namespaces have the form of revisions: both are labels of DNS.
  if (!REVISION.test(value))
    return problem(`found "${value}"; expected a name of up to 63 of a-z, 0-9 and -`);
  return { ok: true, value, diagnostics: [] };
}

const VALUE_OF_NAMESPACE = "spec.values.global.istioNamespace";

/** Wherever it was said: charts, dumps and everything that is rendered read it in one place. */
function inNamespace(spec: JsonObject, namespace: string): JsonObject {
  return mergeObjects(spec, { values: { global: { istioNamespace: namespace } } });
}

function profileName({ operators }: InstallInput, sets: readonly Setting[]): string {
  const set = sets.findLast(({ path }) => pathText(path) === "profile");
  if (set !== undefined) return String(set.value);
  const named = operators.map(each => stringAt(objectAt(each, "spec"), "profile"));
  return named.findLast(each => each !== "") ?? DEFAULT_PROFILE;
}

export function unknownProfile(name: string): string {
  const near = nearest(name, PROFILES);
  const all = `expected one of ${PROFILES.join(", ")}`;
  const ambient = name.split("-").includes("ambient");
  const hint = ambient
    ? `ambient mode is not carried out, only sidecars and gateways are; ${all}`
    : near === undefined
      ? all
      : `did you mean ${near}?`;
  return `there is no profile "${name}": ${hint}`;
}

/** Names of revisions and tags: they are labels, and parts of names. */
export const REVISION = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

function finish(
  spec: JsonObject,
  input: InstallInput,
  diagnostics: Diagnostic[],
): Result<Installation> {
  const values = objectAt(spec, "values");
  const global = objectAt(values, "global");
  const revision =
    input.revision || stringAt(spec, "revision") || stringAt(values, "revision") || "default";
  const meshConfig = mergeObjects(objectAt(values, "meshConfig"), objectAt(spec, "meshConfig"));
  const mesh = decodeMeshConfig(meshConfig);
  const problems = mesh.diagnostics.map(each => ({
    ...each,
    path: `spec.meshConfig.${each.path}`,
  }));
  diagnostics.push(...problems, ...notCarriedOut(spec));
  if (!REVISION.test(revision))
    diagnostics.push({
      severity: "error",
      path: "spec.revision",
      message: `found "${revision}"; expected a name of up to 63 of a-z, 0-9 and -`,
      reason: "Invalid",
    });
  if (diagnostics.some(({ severity }) => severity === "error")) return { ok: false, diagnostics };
  const value: Installation = {
    profile: stringAt(spec, "profile"),
    revision,
    namespace: stringAt(global, "istioNamespace"),
    version: input.version,
    hub: textAt(spec, "hub") || textAt(global, "hub") || DEFAULT_HUB,
    tag: textAt(spec, "tag") || textAt(global, "tag") || input.version,
    meshConfig,
    components: objectAt(spec, "components"),
    values,
    spec,
  };
  return { ok: true, value, diagnostics };
}

/** Tags may look like numbers. */
export function textAt(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

export function isEnabled(installation: Installation, component: string): boolean {
  return isComponentEnabled(installation.components[component]);
}

/** Istio: what is named and not switched off is installed. */
function isComponentEnabled(component: Json | undefined): boolean {
  return isObject(component) && component["enabled"] !== false;
}

/** The enabled gateways of a kind, in their order. */
export function gatewaysOf(
  installation: Installation,
  kind: "ingressGateways" | "egressGateways",
): readonly JsonObject[] {
  const all = arrayAt(installation.components, kind).filter(isObject);
  return all.filter(each => isComponentEnabled(each) && stringAt(each, "name") !== "");
}

/** `-REVISION` behind the names of what each revision has for itself. */
export function revisionSuffix({ revision }: Installation): string {
  return revision === "default" ? "" : `-${revision}`;
}

/** An IstioOperator of a spec, as `profile dump` prints it. */
export function operatorOf(spec: JsonObject): JsonObject {
  return { apiVersion: OPERATOR_API, kind: OPERATOR_KIND, spec };
}

export function isOperator(object: JsonObject): boolean {
  return (
    stringAt(object, "kind") === OPERATOR_KIND &&
    stringAt(object, "apiVersion").startsWith("install.istio.io/")
  );
}
