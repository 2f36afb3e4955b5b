/** Where workloads of each kind have their pod template. */
import type { JsonObject } from "../api/kind.ts";
import type { Owner } from "../api/pod/owner.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";

/** A pod, or the template of one, inside an object. */
export interface PodPlace {
  /** Keys from the object to the pod; empty: the object is the pod. */
  readonly path: readonly (string | number)[];
  /** metadata and spec. */
  readonly pod: JsonObject;
  /** "" where the object says none. */
  readonly namespace: string;
  /** undefined: a bare pod, which its own metadata describes. */
  readonly owner: Owner | undefined;
  /** Volumes that each pod gets beside those of the template: a StatefulSet's claims. */
  readonly claims: readonly string[];
  /** `Deployment/web` for messages. */
  readonly name: string;
}

const TEMPLATE = ["spec", "template"];
const PLACES: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: TEMPLATE,
  DeploymentConfig: TEMPLATE,
  ReplicaSet: TEMPLATE,
  ReplicationController: TEMPLATE,
  StatefulSet: TEMPLATE,
  DaemonSet: TEMPLATE,
  Job: TEMPLATE,
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};
const MAX_LISTS = 8;

/** Every pod in an object: one, those of a List's items, or none. */
export function podPlaces(object: JsonObject, depth = 0): PodPlace[] {
  const kind = stringAt(object, "kind");
  if (kind === "List" && depth < MAX_LISTS)
    return arrayAt(object, "items").flatMap((item, i) =>
      podPlaces(isObject(item) ? item : {}, depth + 1).map(place => ({
        ...place,
        path: ["items", i, ...place.path],
      })),
    );
  const path = Object.hasOwn(PLACES, kind) ? PLACES[kind] : undefined;
  if (path === undefined) return [];
  const pod = path.reduce<JsonObject>(objectAt, object);
  if (Object.keys(objectAt(pod, "spec")).length === 0) return [];
  const metadata = objectAt(object, "metadata");
  const name = stringAt(metadata, "name") || stringAt(metadata, "generateName");
  const apiVersion = stringAt(object, "apiVersion");
  return [
    {
      path,
      pod,
      namespace: stringAt(metadata, "namespace"),
      owner: path.length === 0 ? undefined : { apiVersion, kind, name },
      claims: arrayAt(objectAt(object, "spec"), "volumeClaimTemplates")
        .filter(isObject)
        .map(claim => stringAt(objectAt(claim, "metadata"), "name")),
      name: `${kind}/${name}`,
    },
  ];
}

/** The value of a patch operation's place in a larger object: its path as keys. */
export function pointerKeys(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map(part => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}
