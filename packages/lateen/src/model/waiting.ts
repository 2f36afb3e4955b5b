/** Pods whose proxy runs and is not ready: it has not got its configuration (or lost its readiness). */
import type { Pod } from "../api/pod/schema.ts";
import { REVISION_LABEL } from "../api/revision-label.ts";
import type { Collection, Graph } from "../flow/types.ts";
import { podAddresses } from "./workloads.ts";

export const PROXY_CONTAINER = "istio-proxy";

export interface WaitingProxy {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly ips: readonly string[];
  /** Control-plane revision that injected it; undefined where it does not say. */
  readonly revision: string | undefined;
  /** Which list of the Pod's spec its container is in. */
  readonly list: "containers" | "initContainers";
  /** When the container started, milliseconds since the epoch. */
  readonly since: number;
}

/** By `namespace/name`. */
export function createWaitingProxies(
  graph: Graph,
  pods: Collection<Pod>,
): Collection<WaitingProxy> {
  return graph.derive<Pod, WaitingProxy>(pods, { name: "waiting proxies" }, (_key, pod) => {
    const { namespace, name, uid, deletionTimestamp } = pod.metadata;
    const { containerStatuses, initContainerStatuses } = pod.status;
    if (deletionTimestamp !== undefined) return undefined;
    const list =
      runningSince(initContainerStatuses) === undefined ? "containers" : "initContainers";
    const since = runningSince(list === "containers" ? containerStatuses : initContainerStatuses);
    if (since === undefined || uid === undefined) return undefined;
    const revision = revisionOf(pod);
    return { namespace, name, uid, ips: podAddresses(pod), revision, list, since };
  });
}

/** Control-plane revision of a pod with a proxy: the injector writes it, and pods say it as a label. */
export function revisionOf({ metadata: { annotations, labels } }: Pod): string | undefined {
  return annotations[REVISION_LABEL] ?? labels[REVISION_LABEL];
}

function runningSince(statuses: Pod["status"]["containerStatuses"]): number | undefined {
  const status = statuses?.find(each => each.name === PROXY_CONTAINER);
  if (status === undefined || status.ready) return undefined;
  const { state } = status;
  const running = isRecord(state) ? state["running"] : undefined;
  const startedAt = isRecord(running) ? running["startedAt"] : undefined;
  const since = typeof startedAt === "string" ? Date.parse(startedAt) : Number.NaN;
  return Number.isNaN(since) ? undefined : since;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
