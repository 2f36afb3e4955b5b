/** An installation as Kubernetes objects, in the order in which they are applied. Pure. */
import type { Json, JsonObject } from "../api/kind.ts";
import { REVISION_LABEL } from "../api/revision-label.ts";
import type { Diagnostic, Result } from "../base/diagnostic.ts";
import { arrayAt, isObject, objectAt, stringAt, valueAt } from "../sources/json.ts";
import { type ComponentName, inOrder, isNamespacedKind, type PlannedObject } from "./objects.ts";
import { gatewaysOf, type Installation, isEnabled } from "./operator.ts";
import { getAt, obstacle, parsePath, setAt } from "./path.ts";
import { profileSpec } from "./profiles.ts";
import { type ConfigTexts, configMaps, configTexts } from "./render-config.ts";
import { type GatewayType, gatewayObjects } from "./render-gateway.ts";
import { istiodObjects } from "./render-istiod.ts";
import { controlPlaneAccount, readerObjects } from "./render-rbac.ts";
import { injectionPath, injectionUrl, remoteObjects, remoteWarnings } from "./render-remote.ts";
import { deactivated } from "./webhook-edits.ts";

export interface WebhookFacts {
  readonly revision: string;
  readonly namespace: string;
  readonly enableNamespacesByDefault: boolean;
  readonly url?: string;
  readonly pathSuffix?: string;
}

/** What comes from folders beside this one. */
export interface RenderParts {
  readonly customResourceDefinitions: () => readonly JsonObject[];
  readonly injectionWebhook: (facts: WebhookFacts) => JsonObject;
  /** `istio-revision-tag-default`. */
  readonly defaultTagWebhook: (facts: WebhookFacts) => JsonObject;
  readonly validationWebhook: (facts: WebhookFacts) => JsonObject;
  /** `istiod-default-validator`. */
  readonly defaultValidator: (facts: WebhookFacts) => JsonObject;
  /** The Deployment of a gateway with its proxy. */
  readonly injectGateway: (deployment: JsonObject, texts: ConfigTexts) => Result<JsonObject>;
}

export interface RenderOptions {
  /** Serves namespaces and objects that name no revision; always so for revision `default`. */
  readonly makeDefault: boolean;
  /** Tag `default` is there: it is what serves them, also for revision `default`. */
  readonly defaultByTag?: boolean;
}

/** Everything that Lateen installed carries it: what does not is never changed or taken away. */
export const OWNER_LABEL = "app.kubernetes.io/managed-by";
export const OWNER = "lateen";
export const VERSION_LABEL = "operator.istio.io/version";
export const COMPONENT_LABEL = "operator.istio.io/component";
/** The namespace of the control plane that an object was installed with. */
export const MESH_LABEL = "install.operator.istio.io/owning-resource-namespace";

export function render(
  installation: Installation,
  parts: RenderParts,
  options: RenderOptions,
): Result<readonly PlannedObject[]> {
  const diagnostics: Diagnostic[] = [];
  const objects: PlannedObject[] = [];
  const add = (component: ComponentName, ...added: readonly JsonObject[]): void => {
    objects.push(...added.map(object => ({ component, object })));
  };
  if (isAnythingEnabled(installation)) add("Base", namespaceObject(installation));
  if (isEnabled(installation, "base")) add("Base", ...baseObjects(installation, parts, options));
  if (isEnabled(installation, "pilot")) add("Pilot", ...pilotObjects(installation, parts, options));
  if (isEnabled(installation, "istiodRemote")) {
    add("IstiodRemote", ...istiodRemoteObjects(installation, parts));
    diagnostics.push(...remoteWarnings(installation));
  }
  for (const type of ["ingress", "egress"] as const)
    for (const component of gatewaysOf(installation, `${type}Gateways`)) {
      const gateway = completeGateway(installation, component, type, parts);
      diagnostics.push(...gateway.diagnostics);
      const name = type === "ingress" ? "IngressGateways" : "EgressGateways";
      if (gateway.ok) add(name, ...gateway.value);
    }
  const overlaid = withOverlays(installation, objects, diagnostics);
  if (diagnostics.some(({ severity }) => severity === "error")) return { ok: false, diagnostics };
  const value = inOrder(overlaid.map(each => stamped(each, installation)));
  return { ok: true, value, diagnostics };
}

function isAnythingEnabled(installation: Installation): boolean {
  const gateways = (["ingressGateways", "egressGateways"] as const).some(
    kind => gatewaysOf(installation, kind).length > 0,
  );
  return gateways || ["base", "pilot", "istiodRemote"].some(name => isEnabled(installation, name));
}

function namespaceObject({ namespace, values }: Installation): JsonObject {
  const network = stringAt(objectAt(values, "global"), "network");
  const labels = network === "" ? {} : { labels: { "topology.istio.io/network": network } };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, ...labels } };
}

function baseObjects(
  installation: Installation,
  parts: RenderParts,
  { makeDefault }: RenderOptions,
): JsonObject[] {
  const validates = objectAt(installation.values, "global")["configValidation"] !== false;
  const served = makeDefault && isEnabled(installation, "pilot");
  return [
    ...parts.customResourceDefinitions(),
    ...readerObjects(installation),
    ...(validates && served ? [parts.defaultValidator(validatorFacts(installation))] : []),
  ];
}

/** `values.base.validationURL`: a control plane that is no Service of this cluster validates. */
function validatorFacts(installation: Installation): WebhookFacts {
  const facts = webhookFacts(installation);
  const url = stringAt(objectAt(installation.values, "base"), "validationURL");
  return url === "" ? facts : { ...facts, url: url.replace(/\/validate$/, "") };
}

function pilotObjects(
  installation: Installation,
  parts: RenderParts,
  { makeDefault, defaultByTag = false }: RenderOptions,
): JsonObject[] {
  const facts = webhookFacts(installation);
  const validates = objectAt(installation.values, "global")["configValidation"] !== false;
  const isNamed = installation.revision !== "default";
  const needsTag = makeDefault && (isNamed || defaultByTag);
  const webhook = parts.injectionWebhook(facts);
  return [
    ...controlPlaneAccount(installation),
    ...configMaps(installation),
    ...istiodObjects(installation),
    needsTag && !isNamed ? deactivated(webhook) : webhook,
    ...(needsTag ? [parts.defaultTagWebhook(facts)] : []),
    ...(validates ? [parts.validationWebhook(facts)] : []),
  ];
}

function istiodRemoteObjects(installation: Installation, parts: RenderParts): JsonObject[] {
  return [
    ...configMaps(installation),
    ...remoteObjects(installation),
    parts.injectionWebhook(webhookFacts(installation)),
  ];
}

function webhookFacts(installation: Installation): WebhookFacts {
  const { revision, namespace, values } = installation;
  const webhook = objectAt(values, "sidecarInjectorWebhook");
  const remote = isEnabled(installation, "istiodRemote");
  const url = remote ? injectionUrl(installation) : undefined;
  const pathSuffix = remote ? injectionPath(installation) : "";
  return {
    revision,
    namespace,
    enableNamespacesByDefault: webhook["enableNamespacesByDefault"] === true,
    ...(url === undefined ? {} : { url }),
    ...(pathSuffix === "" ? {} : { pathSuffix }),
  };
}

function completeGateway(
  installation: Installation,
  component: JsonObject,
  type: GatewayType,
  parts: RenderParts,
): Result<JsonObject[]> {
  const objects = gatewayObjects(installation, component, type);
  const diagnostics: Diagnostic[] = [];
  const complete: JsonObject[] = [];
  for (const object of objects) {
    if (object["kind"] !== "Deployment") complete.push(object);
    else {
      const injected = parts.injectGateway(object, configTexts(installation));
      diagnostics.push(...injected.diagnostics);
      if (injected.ok) complete.push(notInjected(injected.value));
    }
  }
  if (diagnostics.some(({ severity }) => severity === "error")) return { ok: false, diagnostics };
  return { ok: true, value: complete, diagnostics };
}

/** No webhook is asked about the pods: gateways come up also while no control plane is there. */
function notInjected(deployment: JsonObject): JsonObject {
  const path = parsePath("spec.template.metadata.labels") ?? [];
  const labels = getAt(deployment, path);
  const off = { ...(isObject(labels) ? labels : {}), "sidecar.istio.io/inject": "false" };
  return setAt(deployment, path, off);
}

/** Labels by which an installation is found again, Istio's and our own. */
function stamped(planned: PlannedObject, installation: Installation): PlannedObject {
  const { component, object } = planned;
  if (object["kind"] === "Namespace") return planned;
  const isShared = component === "Base" || object["kind"] === "CustomResourceDefinition";
  const metadata = objectAt(object, "metadata");
  const labels: JsonObject = {
    ...objectAt(metadata, "labels"),
    [OWNER_LABEL]: OWNER,
    "app.kubernetes.io/part-of": "istio",
    "app.kubernetes.io/version": installation.version,
    "install.operator.istio.io/owning-resource": "installed-state",
    [MESH_LABEL]: installation.namespace,
    [COMPONENT_LABEL]: component,
    "operator.istio.io/managed": "Reconcile",
    [VERSION_LABEL]: installation.version,
    release: "istio",
    ...(isShared && object["kind"] !== "ValidatingWebhookConfiguration"
      ? {}
      : { [REVISION_LABEL]: installation.revision }),
  };
  const yields = yieldsOf(planned, installation);
  return {
    component,
    object: { ...object, metadata: { ...metadata, labels } },
    ...(yields.length === 0 ? {} : { yields }),
  };
}

/** The type of a gateway's Service that nobody asked for: people edit it to what their cluster has. */
function yieldsOf({ component, object }: PlannedObject, { profile }: Installation): string[] {
  const keys: Partial<Record<ComponentName, string>> = {
    IngressGateways: "istio-ingressgateway",
    EgressGateways: "istio-egressgateway",
  };
  const key = keys[component];
  if (key === undefined || object["kind"] !== "Service") return [];
  const usual = valueAt(profileSpec(profile) ?? {}, `values.gateways.${key}.type`);
  return valueAt(object, "spec.type") === usual ? ["spec.type"] : [];
}

/** `k8s.overlays` of each component: patches of the objects that they name. */
function withOverlays(
  installation: Installation,
  objects: readonly PlannedObject[],
  diagnostics: Diagnostic[],
): PlannedObject[] {
  const { components } = installation;
  let result = [...objects];
  const apply = (component: Json | undefined, path: string): void => {
    if (!isObject(component)) return;
    const overlays = arrayAt(objectAt(component, "k8s"), "overlays").filter(isObject);
    for (const [i, overlay] of overlays.entries())
      result = overlayOne(result, overlay, `${path}.k8s.overlays[${i}]`, diagnostics);
  };
  for (const name of ["base", "pilot", "istiodRemote"])
    apply(components[name], `spec.components.${name}`);
  for (const kind of ["ingressGateways", "egressGateways"] as const)
    for (const gateway of gatewaysOf(installation, kind))
      apply(gateway, `spec.components.${kind}[name:${stringAt(gateway, "name")}]`);
  return result;
}

function overlayOne(
  objects: readonly PlannedObject[],
  overlay: JsonObject,
  at: string,
  diagnostics: Diagnostic[],
): PlannedObject[] {
  const [kind, name] = [stringAt(overlay, "kind"), stringAt(overlay, "name")];
  const isMeant = ({ object }: PlannedObject): boolean =>
    object["kind"] === kind && stringAt(objectAt(object, "metadata"), "name") === name;
  if (!objects.some(isMeant)) {
    const names = objects.map(({ object }) => objectName(object)).join(", ");
    const message = `there is no ${kind || "object"} ${name}; expected one of ${names}`;
    diagnostics.push({ severity: "error", path: at, message, reason: "NotFound" });
  }
  return objects.map(each =>
    isMeant(each) ? { ...each, object: patched(each.object, overlay, at, diagnostics) } : each,
  );
}

function objectName(object: JsonObject): string {
  return `${stringAt(object, "kind")} ${stringAt(objectAt(object, "metadata"), "name")}`;
}

function patched(
  object: JsonObject,
  overlay: JsonObject,
  at: string,
  diagnostics: Diagnostic[],
): JsonObject {
  let result = object;
  for (const [i, patch] of arrayAt(overlay, "patches").entries()) {
    const text = isObject(patch) ? stringAt(patch, "path") : "";
    const path = parsePath(text);
    if (path === undefined) {
      const message = `found "${text}"; expected a path like spec.template.spec.containers[name:discovery].image`;
      diagnostics.push({
        severity: "error",
        path: `${at}.patches[${i}].path`,
        message,
        reason: "Invalid",
      });
      continue;
    }
    const value = isObject(patch) && patch["value"] !== null ? patch["value"] : undefined;
    const problem = obstacle(result, path);
    if (problem === undefined) {
      result = setAt(result, path, value);
      continue;
    }
    // Nothing is there to be taken away: Istio's own objects have more than ours.
    const severity = value === undefined ? "warning" : "error";
    const message = `${objectName(object)}: ${problem}`;
    diagnostics.push({ severity, path: `${at}.patches[${i}].path`, message, reason: "NotFound" });
  }
  return result;
}

/** The namespaced ones among them, by namespace: where pods and accounts come to be. */
export function namespacesOf(objects: readonly PlannedObject[]): readonly string[] {
  const names = objects
    .filter(({ object }) => isNamespacedKind(stringAt(object, "kind")))
    .map(({ object }) => stringAt(objectAt(object, "metadata"), "namespace"));
  return [...new Set(names)].sort();
}
