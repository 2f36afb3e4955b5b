/** Injection webhooks as the API server keeps them: which pods they are called for. */
import type { JsonObject } from "../../api/kind.ts";
import type { selects } from "../../api/label-selector.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../sources/json.ts";
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

export type LabelSelector = Parameters<typeof selects>[0];
type Requirement = LabelSelector["matchExpressions"][number];

const CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const OPERATORS: readonly Requirement["operator"][] = ["In", "NotIn", "Exists", "DoesNotExist"];

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
          namespaces: selectorOf(objectAt(webhook, "namespaceSelector")),
          objects: selectorOf(objectAt(webhook, "objectSelector")),
        })),
    }))
    .filter(({ webhooks }) => webhooks.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function selectorOf(json: JsonObject): LabelSelector {
  const matchExpressions = arrayAt(json, "matchExpressions")
    .filter(isObject)
    .map(each => ({
      key: stringAt(each, "key"),
      operator: OPERATORS.find(known => known === each["operator"]) ?? "Exists",
      values: arrayAt(each, "values").map(String),
    }));
  return { matchLabels: textsOf(objectAt(json, "matchLabels")), matchExpressions };
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

function textsOf(json: JsonObject): Labels {
  const texts = Object.entries(json).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(texts);
}
