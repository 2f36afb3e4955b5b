/** Label selectors as an API server's JSON has them. */
import type { JsonObject } from "../api/kind.ts";
import type { LabelSelector } from "../api/label-selector.ts";
import { arrayAt, isObject, objectAt, stringAt } from "./json.ts";

type Requirement = LabelSelector["matchExpressions"][number];

const OPERATORS: readonly Requirement["operator"][] = ["In", "NotIn", "Exists", "DoesNotExist"];

export function selectorFromJson(json: JsonObject): LabelSelector {
  const matchExpressions = arrayAt(json, "matchExpressions")
    .filter(isObject)
    .map(each => ({
      key: stringAt(each, "key"),
      operator: OPERATORS.find(known => known === each["operator"]) ?? "Exists",
      values: arrayAt(each, "values").map(String),
    }));
  return { matchLabels: textsOf(objectAt(json, "matchLabels")), matchExpressions };
}

/** Those of its fields that are texts: labels and annotations. */
export function textsOf(json: JsonObject): Readonly<Record<string, string>> {
  const texts = Object.entries(json).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(texts);
}
