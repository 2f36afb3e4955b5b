/** Custom templates, and what the pod itself says about the injected containers. */

import type { Json, JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { own } from "../base/own.ts";
import { templatesOf } from "../proxy/inject-pod.ts";
import { PROXY_CONTAINER, type Workload } from "../proxy/sidecar-container.ts";
import { arrayAt, isObject, objectAt, stringAt, withKey, withoutKey } from "../sources/json.ts";
import { strategicPatch } from "../sources/kube-api/strategic-patch.ts";
import { BUILT_IN_TEMPLATES, type InjectorConfig } from "./config.ts";
import { INIT_CONTAINER } from "./containers.ts";
import type { PodInjection } from "./pod-injection.ts";
import { withoutSharedUser } from "./proxy-user.ts";
import { renderTemplate } from "./template.ts";
import { TEMPLATE_FIELDS, templateData } from "./template-data.ts";

const MAX_TEMPLATES = 16;

/** Names of templates in their order, aliases resolved; one of the built-in ones comes first. */
export function chosenTemplates(
  config: Pick<InjectorConfig, "templates" | "aliases" | "defaultTemplates">,
  annotations: Readonly<Record<string, string>>,
): Result<readonly string[]> {
  const said = templatesOf(annotations);
  const defaults = config.defaultTemplates.length > 0 ? config.defaultTemplates : ["sidecar"];
  const names = (said.length > 0 ? said : defaults).flatMap(
    name => own(config.aliases, name) ?? [name],
  );
  const known = [...BUILT_IN_TEMPLATES, ...Object.keys(config.templates)];
  const unknown = names.find(name => !known.includes(name));
  if (unknown !== undefined) {
    const found = `found ${JSON.stringify(unknown)}; expected one of ${known.join(", ")}`;
    return fail("metadata.annotations[inject.istio.io/templates]", found);
  }
  if (names.length <= MAX_TEMPLATES) return { ok: true, value: names, diagnostics: [] };
  const found = `found ${names.length} templates; expected at most ${MAX_TEMPLATES}`;
  return fail("metadata.annotations[inject.istio.io/templates]", found);
}

/** Each custom template is a strategic merge patch of the pod that injection made so far. */
export function applyTemplates(
  pod: JsonObject,
  names: readonly string[],
  request: PodInjection,
  workload: Workload,
  readYaml: (text: string) => Json | undefined,
): Result<JsonObject> {
  let result = pod;
  const data = templateData(request, workload);
  for (const name of names) {
    const text = own(request.config.templates, name);
    if (text === undefined) continue;
    const rendered = renderTemplate(text, data, TEMPLATE_FIELDS);
    if (!rendered.ok) return fail(`templates[${name}]`, rendered.message);
    const overlay = rendered.text.trim() === "" ? {} : readYaml(rendered.text);
    if (!isObject(overlay))
      return fail(`templates[${name}]`, "the template gives no YAML object: want metadata or spec");
    const placed = inTheirPlaces(overlay, result);
    const patched = strategicPatch(result, placed, podKind.openApi);
    if (!patched.ok) return fail(`templates[${name}]`, patched.status.message ?? "no valid patch");
    result = patched.value;
  }
  return { ok: true, value: result, diagnostics: [] };
}

type ContainerList = "containers" | "initContainers";

/**
 * Templates name istio-proxy and istio-init as containers or as init containers; here they go to where
 * these stand in this pod, which depends on whether the cluster has native sidecars.
 */
function inTheirPlaces(overlay: JsonObject, pod: JsonObject): JsonObject {
  const spec = objectAt(overlay, "spec");
  const other = { containers: "initContainers", initContainers: "containers" } as const;
  const placed: Record<string, Json> = { ...spec };
  for (const list of ["containers", "initContainers"] as const) {
    const moved = arrayAt(spec, list).filter(item => placeOf(item, pod) === other[list]);
    if (moved.length === 0) continue;
    const stay = arrayAt(placed, list).filter(item => !moved.includes(item));
    placed[list] = stay;
    if (stay.length === 0) delete placed[list];
    placed[other[list]] = [...arrayAt(placed, other[list]), ...moved];
  }
  return { ...overlay, ...(overlay["spec"] === undefined ? {} : { spec: placed }) };
}

/** The list in which the pod has one of the two injected containers; undefined: it is another, or nowhere. */
function placeOf(item: Json, pod: JsonObject): ContainerList | undefined {
  const name = nameOf(item);
  if (name !== PROXY_CONTAINER && name !== INIT_CONTAINER) return undefined;
  const spec = objectAt(pod, "spec");
  return (["containers", "initContainers"] as const).find(list =>
    arrayAt(spec, list).some(each => nameOf(each) === name),
  );
}

/**
 * A container `istio-proxy` (or `istio-init`) that the pod brings along changes ours, field by
 * field. Its image counts unless it is `auto`; its command and arguments do not: they would be those
 * of another program.
 */
export function applyOwnContainers(
  pod: JsonObject,
  { pod: before, asWritten }: Pick<PodInjection, "pod" | "asWritten">,
): Result<JsonObject> {
  const diagnostics: Diagnostic[] = [];
  let spec = objectAt(pod, "spec");
  const own = (["containers", "initContainers"] as const)
    .flatMap(field => arrayAt(objectAt(before, "spec"), field))
    .filter(isObject)
    .filter(item => [PROXY_CONTAINER, INIT_CONTAINER].includes(stringAt(item, "name")));
  for (const container of own) {
    const { command, args, image, ...rest } = withoutSharedUser(container, before);
    const name = stringAt(container, "name");
    if (command !== undefined || args !== undefined)
      diagnostics.push({
        severity: "warning",
        path: `spec.containers[${name}]`,
        message: `command and args of ${name} are not used: the proxy is Envoy with its own`,
        reason: "Ignored",
      });
    const overlay =
      image !== undefined && image !== "auto"
        ? { ...rest, image }
        : asWritten === true
          ? rest
          : withoutDefaultPull(rest);
    const field = arrayAt(spec, "initContainers").some(item => nameOf(item) === name)
      ? "initContainers"
      : "containers";
    if (!arrayAt(spec, field).some(item => nameOf(item) === name)) continue;
    const patch = { spec: { [field]: [overlay] } };
    const patched = strategicPatch({ spec }, patch, podKind.openApi);
    if (!patched.ok) return fail(`spec.${field}[${name}]`, patched.status.message ?? "refused");
    spec = objectAt(patched.value, "spec");
  }
  return { ok: true, value: withKey(pod, "spec", spec), diagnostics };
}

/** The API server has taken `auto` for an image without a tag, which is always to be pulled. */
function withoutDefaultPull(container: JsonObject): JsonObject {
  if (container["imagePullPolicy"] !== "Always") return container;
  return withoutKey(container, "imagePullPolicy");
}

function nameOf(item: Json): string {
  return isObject(item) ? stringAt(item, "name") : "";
}

function fail(path: string, message: string): Result<never> {
  return { ok: false, diagnostics: [{ severity: "error", path, message, reason: "BadTemplate" }] };
}
