/**
 * Revision tags: names that namespaces use instead of a control plane's revision, as istioctl makes them
 * (istio.io, "Canary Upgrades", stable revision labels). A tag is a MutatingWebhookConfiguration made
 * after that of the revision it leads to; tag `default` also has the validator of all objects that name
 * no revision.
 */
import type { JsonObject } from "../api/kind.ts";
import { REVISION_LABEL, TAG_LABEL } from "../api/revision-label.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { isDeactivated, webhookNamespaces } from "../sources/kube/other-control-planes.ts";
import { REVISION, SYSTEM_NAMESPACE } from "./operator.ts";
import {
  COMPONENT_LABEL,
  OWNER,
  OWNER_LABEL,
  type RenderOptions,
  type WebhookFacts,
} from "./render.ts";
import { deactivated, withWebhooks } from "./webhook-edits.ts";

export const DEFAULT_TAG = "default";

export interface TagRequest {
  readonly tag: string;
  readonly revision: string;
  /** Of the webhook configuration; undefined: `istio-revision-tag-TAG`. */
  readonly webhookName: string | undefined;
  readonly overwrite: boolean;
  /** Only printed: then nothing in the cluster is in the way. */
  readonly generate: boolean;
  /** Pods are injected also where neither they nor their namespace say anything. */
  readonly autoInjectNamespaces: boolean;
  /** Of the control plane; undefined: whatever its webhook says. */
  readonly namespace: string | undefined;
}

/** What comes from the injector. */
export interface TagParts {
  readonly tagWebhook: (facts: WebhookFacts, tag: string) => JsonObject;
  readonly defaultValidator: (facts: WebhookFacts) => JsonObject;
}

export type PlannedTag =
  | {
      readonly ok: true;
      /** To be applied in this order. */
      readonly objects: readonly JsonObject[];
      /** Of the revision without a name, which no longer serves namespaces that name none. */
      readonly deactivated: JsonObject | undefined;
    }
  | { readonly ok: false; readonly message: string };

const INJECTION = "sidecar-injector.istio.io";

/** `webhooks`: all MutatingWebhookConfigurations of the cluster. Errors are istioctl's. */
export function planTag(
  all: readonly JsonObject[],
  request: TagRequest,
  parts: TagParts,
): PlannedTag {
  const { tag, revision, generate, overwrite } = request;
  const webhooks = leadingTo(all, request.namespace);
  const refused = (message: string): PlannedTag => ({ ok: false, message });
  if (!REVISION.test(tag))
    return refused(`"${tag}" is no name for a tag; expected up to 63 of a-z, 0-9 and -`);
  const collides = !generate && !overwrite && tag !== DEFAULT_TAG;
  if (collides && canonicalOf(webhooks, tag).length > 0)
    return refused(
      `cannot create revision tag "${tag}": found existing control plane revision with same name`,
    );
  const [canonical, another] = canonicalOf(webhooks, revision);
  if (canonical === undefined) {
    const where = request.namespace === undefined ? "" : ` in namespace "${request.namespace}"`;
    return refused(
      `cannot modify tag: cannot find MutatingWebhookConfiguration with revision "${revision}"${where}`,
    );
  }
  if (another !== undefined)
    return refused(
      `cannot modify tag: found multiple canonical webhooks with revision "${revision}"`,
    );
  if (!overwrite && webhooks.some(each => labelOf(each, TAG_LABEL) === tag))
    return refused(`revision tag "${tag}" already exists, and --overwrite is false`);
  const hook = injectionHook(canonical);
  if (hook === undefined)
    return refused(
      `could not find sidecar-injector webhook in canonical webhook "${nameOf(canonical)}"`,
    );
  const objects = tagObjects(canonical, hook, request, parts);
  const old = tag === DEFAULT_TAG ? canonicalOf(webhooks, "default")[0] : undefined;
  const active = old !== undefined && !isDeactivated(old);
  return { ok: true, objects, deactivated: active ? deactivated(applicable(old)) : undefined };
}

/** Those of the control planes in a namespace, and those behind a URL, which are in none. */
export function leadingTo(
  webhooks: readonly JsonObject[],
  namespace: string | undefined,
): readonly JsonObject[] {
  return webhooks.filter(each => {
    const namespaces = webhookNamespaces(each);
    return namespace === undefined || namespaces.length === 0 || namespaces.includes(namespace);
  });
}

function tagObjects(
  canonical: JsonObject,
  hook: JsonObject,
  request: TagRequest,
  { tagWebhook, defaultValidator }: TagParts,
): JsonObject[] {
  const { tag, revision, webhookName, autoInjectNamespaces } = request;
  const clientConfig = objectAt(hook, "clientConfig");
  const namespace =
    stringAt(objectAt(clientConfig, "service"), "namespace") ||
    (request.namespace ?? SYSTEM_NAMESPACE);
  const facts = { revision, namespace, enableNamespacesByDefault: autoInjectNamespaces };
  const injector = withWebhooks(tagWebhook(facts, tag), each => ({
    ...each,
    clientConfig,
    ...("reinvocationPolicy" in hook ? { reinvocationPolicy: hook["reinvocationPolicy"] } : {}),
  }));
  const objects = [named(withLabelsOf(injector, canonical), webhookName)];
  if (tag !== DEFAULT_TAG) return objects;
  const validator = withWebhooks(defaultValidator(facts), each => ({
    ...each,
    clientConfig: validating(clientConfig),
  }));
  return [...objects, withLabelsOf(validator, canonical)];
}

/** Where the control plane that injects validates. */
function validating(clientConfig: JsonObject): JsonObject {
  const path = "/validate";
  const url = stringAt(clientConfig, "url");
  if (url !== "" && URL.canParse(url))
    return { ...clientConfig, url: new URL(path, url).toString() };
  return { ...clientConfig, service: { ...objectAt(clientConfig, "service"), path } };
}

/** Labels by which a tag's webhook is told from what an installation manages: a person's is kept. */
const INSTALLERS = "operator.istio.io";

function withLabelsOf(object: JsonObject, canonical: JsonObject): JsonObject {
  const { app: _app, ...common } = objectAt(objectAt(canonical, "metadata"), "labels");
  const { annotations } = objectAt(canonical, "metadata");
  const metadata = objectAt(object, "metadata");
  const labels = Object.entries({ ...objectAt(metadata, "labels"), ...common });
  const kept = labels.filter(([key]) => !key.includes(INSTALLERS));
  return {
    ...object,
    metadata: {
      ...metadata,
      labels: Object.fromEntries(kept),
      ...(isObject(annotations) ? { annotations } : {}),
    },
  };
}

function named(object: JsonObject, name: string | undefined): JsonObject {
  if (name === undefined) return object;
  return { ...object, metadata: { ...objectAt(object, "metadata"), name } };
}

/** Of a live object what a server-side apply may say. */
function applicable(live: JsonObject): JsonObject {
  const { labels, annotations } = objectAt(live, "metadata");
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: {
      name: nameOf(live),
      ...(isObject(labels) ? { labels } : {}),
      ...(isObject(annotations) ? { annotations } : {}),
    },
    webhooks: arrayAt(live, "webhooks"),
  };
}

/** Those that installations made for a revision, and not tags of it. */
export function canonicalOf(webhooks: readonly JsonObject[], revision: string): JsonObject[] {
  return webhooks.filter(
    each => labelOf(each, REVISION_LABEL) === revision && labelOf(each, TAG_LABEL) === "",
  );
}

function injectionHook(configuration: JsonObject): JsonObject | undefined {
  const hooks = arrayAt(configuration, "webhooks").filter(isObject);
  return hooks.find(each => stringAt(each, "name").endsWith(INJECTION));
}

/** Who serves namespaces and objects that name no revision. */
export interface DefaultHolder {
  /** undefined: nobody. */
  readonly revision: string | undefined;
  /** It is a tag that says so, and not the webhook of the revision without a name. */
  readonly byTag: boolean;
  /** An installation made the tag, so that installing again makes it again. */
  readonly isInstalled: boolean;
}

export function defaultHolder(webhooks: readonly JsonObject[]): DefaultHolder {
  const tag = webhooks.find(each => labelOf(each, TAG_LABEL) === DEFAULT_TAG);
  if (tag !== undefined)
    return {
      revision: labelOf(tag, REVISION_LABEL),
      byTag: true,
      isInstalled: labelOf(tag, OWNER_LABEL) === OWNER && labelOf(tag, COMPONENT_LABEL) !== "",
    };
  const unnamed = canonicalOf(webhooks, "default").some(each => !isDeactivated(each));
  return { revision: unnamed ? "default" : undefined, byTag: false, isInstalled: unnamed };
}

/**
 * istioctl's rule: the revision without a name always becomes the default, another one where there is
 * none; and what an installation has made so stays so when it is applied again. Beside Istio (`beside`),
 * whose the validator of such objects is, a revision with a name never becomes it by itself.
 */
export function renderOptions(
  revision: string,
  holder: DefaultHolder,
  beside = false,
): RenderOptions {
  const again = holder.revision === revision && holder.isInstalled;
  const makeDefault = revision === "default" || (holder.revision === undefined && !beside) || again;
  return { makeDefault, defaultByTag: holder.byTag };
}

export interface TagDescription {
  readonly tag: string;
  readonly revision: string;
  readonly namespaces: readonly string[];
}

/**
 * As `istioctl tag list` shows them: every tag, and revisions that have none. Namespaces are those that
 * name the tag. The webhook of the revision without a name serves what tag `default` would, while there
 * is none: then it is that tag.
 */
export function describeTags(
  webhooks: readonly JsonObject[],
  namespaces: readonly JsonObject[],
): readonly TagDescription[] {
  const found = webhooks
    .filter(each => labelOf(each, REVISION_LABEL) !== "")
    .map(each => ({ tag: tagOf(each), revision: labelOf(each, REVISION_LABEL) }));
  const tagged = new Set(found.filter(each => each.tag !== "").map(each => each.revision));
  const rows = new Map<string, TagDescription>();
  for (const { tag, revision } of found) {
    if (tag === "" && tagged.has(revision)) continue;
    const own = tag === "" ? [] : namespacesOfTag(namespaces, tag);
    rows.set(`${revision} ${tag}`, { tag, revision, namespaces: own });
  }
  return [...rows.values()].sort(
    (a, b) => compare(a.revision, b.revision) || compare(a.tag, b.tag),
  );
}

function tagOf(webhook: JsonObject): string {
  const isDefault = labelOf(webhook, REVISION_LABEL) === DEFAULT_TAG && !isDeactivated(webhook);
  return labelOf(webhook, TAG_LABEL) || (isDefault ? DEFAULT_TAG : "");
}

export function namespacesOfTag(namespaces: readonly JsonObject[], tag: string): string[] {
  return namespaces
    .filter(each => labelOf(each, REVISION_LABEL) === tag)
    .map(nameOf)
    .sort(compare);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** "" where there is none. */
export function labelOf(object: JsonObject, label: string): string {
  return stringAt(objectAt(objectAt(object, "metadata"), "labels"), label);
}

function nameOf(object: JsonObject): string {
  return stringAt(objectAt(object, "metadata"), "name");
}
