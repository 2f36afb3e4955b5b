/** The user and group that istio-proxy runs as: what they send is not intercepted. */
import type { Json, JsonObject } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { DEFAULT_PROXY_USER, type ProxyUser } from "../proxy/interception-rules.ts";
import { PROXY_CONTAINER } from "../proxy/sidecar-container.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { INIT_CONTAINER } from "./containers.ts";

/** @param container istio-proxy as it ends up */
export function proxyUserOf(container: JsonObject): ProxyUser {
  const { runAsUser, runAsGroup } = objectAt(container, "securityContext");
  const gid = idOf(runAsGroup) ?? DEFAULT_PROXY_USER.gid;
  const uid = idOf(runAsUser) ?? DEFAULT_PROXY_USER.uid;
  // Envoy as root (TPROXY) is known by its group: an application's root is to be intercepted.
  return uid === 0 && gid !== 0 ? { uid: DEFAULT_PROXY_USER.uid, gid } : { uid, gid };
}

/**
 * Of what a pod says of its own istio-proxy, without a user that the application has, too: the
 * application's traffic would pass the proxy by. OpenShift gives all containers of a pod one user.
 */
export function withoutSharedUser(own: JsonObject, pod: JsonObject): JsonObject {
  const context = objectAt(own, "securityContext");
  const uid = idOf(context["runAsUser"]);
  if (uid === undefined || !usersOf(pod).some(user => user.uid === uid)) return own;
  const { runAsUser: _user, runAsGroup: _group, ...rest } = context;
  return { ...own, securityContext: rest };
}

/** One for each container of the application that runs as istio-proxy does. */
export function sameUserWarnings(pod: JsonObject): Diagnostic[] {
  const spec = objectAt(pod, "spec");
  const all = [...arrayAt(spec, "initContainers"), ...arrayAt(spec, "containers")].filter(isObject);
  const proxy = all.find(each => each["name"] === PROXY_CONTAINER);
  const uid = proxy && idOf(objectAt(proxy, "securityContext")["runAsUser"]);
  return usersOf(pod)
    .filter(user => uid !== undefined && uid !== 0 && user.uid === uid)
    .map(({ name }) => ({
      severity: "warning",
      path: `spec.containers[${name}].securityContext.runAsUser`,
      message:
        `found ${uid}, the user of istio-proxy: what this container sends passes the proxy by; ` +
        "expected another user",
      reason: "ProxyUser",
    }));
}

interface ContainerUser {
  readonly name: string;
  readonly uid: number | undefined;
}

/** Of the application's containers; what they do not say is the pod's. */
function usersOf(pod: JsonObject): readonly ContainerUser[] {
  const spec = objectAt(pod, "spec");
  const common = idOf(objectAt(spec, "securityContext")["runAsUser"]);
  return arrayAt(spec, "containers")
    .filter(isObject)
    .filter(({ name }) => name !== PROXY_CONTAINER && name !== INIT_CONTAINER)
    .map(container => ({
      name: stringAt(container, "name"),
      uid: idOf(objectAt(container, "securityContext")["runAsUser"]) ?? common,
    }));
}

function idOf(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}
