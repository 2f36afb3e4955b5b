/** Changes to webhook configurations, whoever made them. */
import type { Json, JsonObject } from "../api/kind.ts";
import { arrayAt, isObject } from "../sources/json.ts";

export function withWebhooks(
  object: JsonObject,
  change: (webhook: JsonObject) => Json,
): JsonObject {
  const webhooks = arrayAt(object, "webhooks").filter(isObject).map(change);
  return { ...object, webhooks };
}

const NEVER: JsonObject = { matchLabels: { "istio.io/deactivated": "never-match" } };

/** Kept, and called for nothing: whoever takes the tag back finds it. */
export function deactivated(configuration: JsonObject): JsonObject {
  const off = { namespaceSelector: NEVER, objectSelector: NEVER };
  return withWebhooks(configuration, each => ({ ...each, ...off }));
}
