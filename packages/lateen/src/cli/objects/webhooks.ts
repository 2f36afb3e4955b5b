/** Injection webhooks as the API server keeps them: which pods they are called for. */
import type { JsonObject } from "../../api/kind.ts";
import type { LabelSelector } from "../../api/label-selector.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../sources/json.ts";
import { selectorFromJson, textsOf } from "../../sources/selector-json.ts";
import type { MeshAccess, PodRef } from "../context.ts";
import { apiError } from "./discover.ts";

export type Labels = Readonly<Record<string, string>>;

export interface InjectionHook {
  readonly name: string;
  /** Label `istio.io/rev`. */
  readonly revision: string;
  readonly webhooks: readonly HookSelectors[];
  /** Who is asked; undefined: somebody behind a URL. */
  readonly service: ServiceName | undefined;
  /** Pods are refused while nobody answers. */
  readonly mustAnswer: boolean;
}

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

export interface HookSelectors {
  readonly namespaces: LabelSelector;
  readonly objects: LabelSelector;
}

const CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/** Those whose webhooks are named like Istio's, by name. */
export async function injectionHooks(mesh: MeshAccess): Promise<InjectionHook[]> {
  const items = await listOf(mesh, CONFIGURATIONS);
  return items
    .map(hookOf)
    .filter(({ webhooks }) => webhooks.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function hookOf(item: JsonObject): InjectionHook {
  const webhooks = arrayAt(item, "webhooks")
    .filter(isObject)
    .filter(webhook => stringAt(webhook, "name").endsWith("istio.io"));
  const service = objectAt(objectAt(webhooks[0] ?? {}, "clientConfig"), "service");
  const [namespace, name] = [stringAt(service, "namespace"), stringAt(service, "name")];
  return {
    name: nameOf(item),
    revision: labelsOf(item)["istio.io/rev"] ?? "",
    webhooks: webhooks.map(webhook => ({
      namespaces: selectorFromJson(objectAt(webhook, "namespaceSelector")),
      objects: selectorFromJson(objectAt(webhook, "objectSelector")),
    })),
    service: name === "" ? undefined : { namespace, name },
    mustAnswer: webhooks.some(webhook => webhook["failurePolicy"] !== "Ignore"),
  };
}

/**
 * Whether a pod behind the Service is ready; undefined where that can not be known: an ExternalName, as
 * clusters have it whose control plane is elsewhere, has no EndpointSlices.
 */
export async function answers(
  mesh: MeshAccess,
  { namespace, name }: ServiceName,
): Promise<boolean | undefined> {
  const own = `/api/v1/namespaces/${encodeURIComponent(namespace)}/services/${encodeURIComponent(name)}`;
  const service = await mesh.api({ method: "GET", path: own });
  const found = service.body as JsonObject;
  if (service.status !== 404) {
    if (service.status !== 200 || !isObject(found)) return undefined;
    if (stringAt(objectAt(found, "spec"), "type") === "ExternalName") return undefined;
  }
  const selector = encodeURIComponent(`kubernetes.io/service-name=${name}`);
  const place = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}`;
  const path = `${place}/endpointslices?labelSelector=${selector}`;
  const { status, body } = await mesh.api({ method: "GET", path });
  const list = body as JsonObject;
  if (status !== 200 || !isObject(list)) return undefined;
  return arrayAt(list, "items")
    .filter(isObject)
    .flatMap(slice => arrayAt(slice, "endpoints").filter(isObject))
    .some(endpoint => objectAt(endpoint, "conditions")["ready"] !== false);
}

/** Items of a list; throws a `UserError` with the API server's words. */
export async function listOf(mesh: MeshAccess, path: string): Promise<JsonObject[]> {
  const body = await get(mesh, path);
  return arrayAt(body, "items").filter(isObject);
}

export async function get(mesh: MeshAccess, path: string): Promise<JsonObject> {
  const { status, body } = await mesh.api({ method: "GET", path });
  if (status !== 200) throw apiError(body, status);
  const json = body as JsonObject;
  return isObject(json) ? json : {};
}

export function podPath({ namespace, name }: PodRef): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
}

export function nameOf(object: JsonObject): string {
  return stringAt(objectAt(object, "metadata"), "name");
}

export function labelsOf(object: JsonObject): Labels {
  return textsOf(objectAt(objectAt(object, "metadata"), "labels"));
}

export function annotationsOf(object: JsonObject): Labels {
  return textsOf(objectAt(objectAt(object, "metadata"), "annotations"));
}
