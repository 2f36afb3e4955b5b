/** The `scale` subresource (autoscaling/v1 Scale) of kinds with `spec.replicas`. */
import type { JsonObject } from "../../api/kind.ts";
import { objectAt, stringAt, valueAt, withKey } from "../json.ts";
import { type ApiResult, badRequest, succeeded } from "../status.ts";
import type { StoredObject } from "../store/stored.ts";

export function scaleOf(object: StoredObject): JsonObject {
  const { json } = object;
  const metadata = objectAt(json, "metadata");
  const labels = objectAt(objectAt(objectAt(json, "spec"), "selector"), "matchLabels");
  const selector = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name: object.name,
      namespace: object.namespace,
      uid: object.uid,
      resourceVersion: String(object.resourceVersion),
      creationTimestamp: stringAt(metadata, "creationTimestamp"),
    },
    spec: { replicas: numberAt(json, "spec.replicas", 1) },
    status: {
      replicas: numberAt(json, "status.replicas", 0),
      selector: selector.sort().join(","),
    },
  };
}

function numberAt(json: JsonObject, path: string, fallback: number): number {
  const value = valueAt(json, path);
  return typeof value === "number" ? value : fallback;
}

/** The object with the replicas that a Scale asks for. */
export function fromScale(current: JsonObject, scale: JsonObject): ApiResult<JsonObject> {
  const replicas = valueAt(scale, "spec.replicas") ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas < 0)
    return badRequest(`spec.replicas: found ${JSON.stringify(replicas)}, want a whole number`);
  const resourceVersion = stringAt(objectAt(scale, "metadata"), "resourceVersion");
  const metadata = { ...objectAt(current, "metadata"), resourceVersion };
  const spec = { ...objectAt(current, "spec"), replicas };
  return succeeded(withKey(withKey(current, "metadata", metadata), "spec", spec));
}
