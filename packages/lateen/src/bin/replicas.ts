/** What the replicas of a cluster's control plane tell one another, and what they say of waiting pods. */
import type { SyncStatus } from "../base/sync-status.ts";
import type { WaitingProxy } from "../model/waiting.ts";
import { mergeRejections, type Rejection } from "../status/object-report.ts";
import type { ReplicaReport } from "../status/replica-report.ts";
import { ReplicaReports } from "../status/replica-reports.ts";
import { WaitingProxies } from "../status/waiting-proxies.ts";
import type { Declared } from "./discovery.ts";
import type { DiscoveryOptions } from "./discovery-options.ts";
import type { Front } from "./discovery-serving.ts";

export interface Replicas {
  /** When everything that was there at the start is in the graph. */
  start(): void;
  stop(): Promise<void>;
}

/** undefined: there is one only. */
export function createReplicas(
  { source, instance, clock, random, log }: DiscoveryOptions,
  { mesh, status }: Declared,
  front: Front,
): Replicas | undefined {
  if (source.kind !== "kube") return undefined;
  const { client, systemNamespace: namespace, revision } = source;
  let elsewhere: readonly ReplicaReport[] = [];
  const common = { client, instance, clock, log: log.scope("status") };
  const reports = new ReplicaReports({
    ...common,
    namespace,
    random,
    onOthers(others) {
      elsewhere = others;
      status.setElsewhere(rejectionsOf(others));
    },
  });
  status.onRejections(rejections => reports.tell({ rejections }));
  const waiting = new WaitingProxies({
    ...common,
    graph: mesh.graph,
    waiting: mesh.model.waiting,
    revision,
    knowledge: () => knowledge(front),
    knownElsewhere: key => elsewhere.find(each => each.waiting.has(key))?.waiting.get(key),
    onKnown: known => reports.tell({ waiting: known }),
  });
  return {
    start() {
      reports.start();
      waiting.start();
    },
    stop() {
      waiting.stop();
      return reports.stop();
    },
  };
}

function rejectionsOf(
  reports: readonly ReplicaReport[],
): ReadonlyMap<string, readonly Rejection[]> {
  const lists = Map.groupBy(
    reports.flatMap(({ rejections }) => [...rejections]),
    ([key]) => key,
  );
  const merge = (found: readonly (readonly [string, readonly Rejection[]])[]) =>
    mergeRejections(found.map(([, list]) => list));
  return new Map([...lists].map(([key, found]) => [key, merge(found)]));
}

/** Of this moment. */
function knowledge({ connections, refusals }: Front) {
  return (_key: string, proxy: WaitingProxy): string | undefined => {
    const status = connections.statusOf(`${proxy.name}.${proxy.namespace}`);
    if (status !== undefined) return `it is connected, and ${incomplete(status)}`;
    const refusal = refusals.reason(proxy);
    return refusal === undefined ? undefined : `the control plane refuses it: ${refusal}`;
  };
}

function incomplete({ types, waiting }: SyncStatus): string {
  if (waiting !== undefined) return waiting;
  const all = Object.entries(types);
  const rejected = all.find(([, { state }]) => state === "ERROR");
  if (rejected !== undefined) return `Envoy rejected ${rejected[0]}: ${rejected[1].message ?? ""}`;
  const stale = all.filter(([, { state }]) => state === "STALE").map(([type]) => type);
  if (stale.length > 0) return `it has not acknowledged ${stale.join(", ")} yet`;
  return "it has acknowledged all that it was sent";
}
