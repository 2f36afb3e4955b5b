/** The cells of `kubectl get pods` (kubernetes/pkg/printers: printPod). */
import { at, numberAt, objectsAt, sizeAt, textAt } from "../columns.ts";
import { isObject } from "../decode.ts";
import { age } from "../duration.ts";
import type { Json, JsonObject } from "../kind.ts";

export function readyText(pod: JsonObject): string {
  const sidecars = sidecarNames(pod);
  const started = objectsAt(pod, "status", "initContainerStatuses").filter(
    status => sidecars.has(textAt(status, "name")) && status["ready"] === true,
  );
  const ready = objectsAt(pod, "status", "containerStatuses").filter(
    status => status["ready"] === true && isObject(at(status, "state", "running")),
  );
  const total = sizeAt(pod, "spec", "containers") + sidecars.size;
  return `${ready.length + started.length}/${total}`;
}

/** Init containers with restartPolicy Always run beside the others and count as such. */
function sidecarNames(pod: JsonObject): ReadonlySet<string> {
  const restarting = objectsAt(pod, "spec", "initContainers").filter(
    container => container["restartPolicy"] === "Always",
  );
  return new Set(restarting.map(container => textAt(container, "name")));
}

export function statusText(pod: JsonObject): string {
  if (textAt(pod, "metadata", "deletionTimestamp") !== "")
    return textAt(pod, "status", "reason") === "NodeLost" ? "Unknown" : "Terminating";
  return initText(pod) ?? containersText(pod) ?? phaseText(pod);
}

function phaseText(pod: JsonObject): string {
  return textAt(pod, "status", "reason") || textAt(pod, "status", "phase") || "Pending";
}

/** While init containers hold the pod up: `Init:1/2`, `Init:CrashLoopBackOff`. */
function initText(pod: JsonObject): string | undefined {
  const sidecars = sidecarNames(pod);
  const statuses = objectsAt(pod, "status", "initContainerStatuses");
  for (const [i, status] of statuses.entries()) {
    if (!blocks(status, sidecars)) continue;
    const terminated = at(status, "state", "terminated");
    if (isObject(terminated)) return `Init:${exitText(terminated)}`;
    const waiting = textAt(status, "state", "waiting", "reason");
    if (waiting !== "" && waiting !== "PodInitializing") return `Init:${waiting}`;
    return `Init:${i}/${sizeAt(pod, "spec", "initContainers")}`;
  }
  return undefined;
}

/** The last container with something to say wins, as in Kubernetes' printer. */
function containersText(pod: JsonObject): string | undefined {
  const statuses = objectsAt(pod, "status", "containerStatuses");
  let found: string | undefined;
  let running = false;
  for (const status of statuses.toReversed()) {
    const waiting = textAt(status, "state", "waiting", "reason");
    const terminated = at(status, "state", "terminated");
    if (waiting !== "") found = waiting;
    else if (isObject(terminated)) found = exitText(terminated);
    else if (status["ready"] === true && isObject(at(status, "state", "running"))) running = true;
  }
  if (found !== "Completed" || !running) return found;
  return hasCondition(pod, "Ready") ? "Running" : "NotReady";
}

function exitText(terminated: Json): string {
  const reason = textAt(terminated, "reason");
  if (reason !== "") return reason;
  const signal = numberAt(terminated, "signal");
  return signal === 0 ? `ExitCode:${numberAt(terminated, "exitCode")}` : `Signal:${signal}`;
}

function hasCondition(pod: JsonObject, type: string): boolean {
  return objectsAt(pod, "status", "conditions").some(
    condition => condition["type"] === type && condition["status"] === "True",
  );
}

/**
 * Whose restarts count: until the pod is initialized its init containers, up to the one that holds it
 * up; then its containers and sidecars.
 */
function restarting(pod: JsonObject): readonly JsonObject[] {
  const sidecars = sidecarNames(pod);
  const init = objectsAt(pod, "status", "initContainerStatuses");
  const blocking = init.findIndex(status => blocks(status, sidecars));
  if (blocking !== -1 && !hasCondition(pod, "Initialized")) return init.slice(0, blocking + 1);
  return [
    ...objectsAt(pod, "status", "containerStatuses"),
    ...init.filter(status => sidecars.has(textAt(status, "name"))),
  ];
}

/** An init container that has not done its part yet, or a sidecar that has not started. */
function blocks(status: JsonObject, sidecars: ReadonlySet<string>): boolean {
  const terminated = at(status, "state", "terminated");
  if (isObject(terminated) && numberAt(terminated, "exitCode") === 0) return false;
  return !(sidecars.has(textAt(status, "name")) && status["started"] === true);
}

/** `3 (12s ago)`: how often, and when last. */
export function restartsText(pod: JsonObject, nowMs: number): string {
  const statuses = restarting(pod);
  const count = statuses.reduce((sum, status) => sum + numberAt(status, "restartCount"), 0);
  const ended = statuses
    .map(status => textAt(status, "lastState", "terminated", "finishedAt"))
    .filter(time => time !== "")
    .sort()
    .at(-1);
  return count === 0 || ended === undefined ? String(count) : `${count} (${age(ended, nowMs)} ago)`;
}
