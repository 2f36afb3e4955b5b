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
    .map(item => ({
      name: nameOf(item),
      revision: labelsOf(item)["istio.io/rev"] ?? "",
      webhooks: arrayAt(item, "webhooks")
        .filter(isObject)
        .filter(webhook => stringAt(webhook, "name").endsWith("istio.io"))
        .map(webhook => ({
          namespaces: selectorFromJson(objectAt(webhook, "namespaceSelector")),
          objects: selectorFromJson(objectAt(webhook, "objectSelector")),
        })),
    }))
    .filter(({ webhooks }) => webhooks.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
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
