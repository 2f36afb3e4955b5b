import type { Json, JsonObject } from "../api/kind.ts";
import type { ContainerState } from "./container.ts";

export interface ContainerView {
  readonly name: string;
  readonly image: string;
  readonly state: ContainerState;
  readonly lastState: ContainerState | undefined;
  readonly restarts: number;
  readonly ready: boolean;
  readonly started: boolean;
}

export interface PodView {
  readonly podIp: string | undefined;
  readonly hostIp: string;
  readonly startedAt: number;
  readonly restartPolicy: string;
  /** All init containers have done their part. */
  readonly initialized: boolean;
  readonly sandboxReady: boolean;
  readonly initContainers: readonly ContainerView[];
  readonly containers: readonly ContainerView[];
}

export type ConditionTimes = Map<string, { readonly status: string; readonly since: string }>;

export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The status of a Pod as the kubelet would write it (core/v1 PodStatus). */
export function podStatus(view: PodView, times: ConditionTimes, nowMs: number): JsonObject {
  const ips: JsonObject =
    view.podIp === undefined ? {} : { podIP: view.podIp, podIPs: [{ ip: view.podIp }] };
  return {
    phase: phase(view),
    hostIP: view.hostIp,
    ...ips,
    startTime: timeText(view.startedAt),
    conditions: conditions(view, times, nowMs),
    ...(view.initContainers.length === 0
      ? {}
      : { initContainerStatuses: view.initContainers.map(containerStatus) }),
    containerStatuses: view.containers.map(containerStatus),
    qosClass: "BestEffort",
  };
}

export function isReady(view: PodView): boolean {
  return view.initialized && view.containers.length > 0 && view.containers.every(c => c.ready);
}

function phase(view: PodView): string {
  const states = view.containers.map(c => c.state);
  const ended = states.filter(state => state.kind === "terminated");
  if (view.restartPolicy !== "Always" && states.length > 0 && ended.length === states.length) {
    const allGood = ended.every(state => state.exitCode === 0);
    if (allGood) return "Succeeded";
    if (view.restartPolicy === "Never") return "Failed";
  }
  const begun = view.containers.every(c => c.state.kind !== "waiting" || c.lastState !== undefined);
  return view.initialized && begun ? "Running" : "Pending";
}

function conditions(view: PodView, times: ConditionTimes, nowMs: number): Json {
  const notReady = view.containers.filter(c => !c.ready).map(c => c.name);
  const why: JsonObject =
    notReady.length === 0
      ? {}
      : {
          reason: "ContainersNotReady",
          message: `containers with unready status: [${notReady.join(" ")}]`,
        };
  const ready = isReady(view);
  const wanted: readonly (readonly [string, boolean, JsonObject])[] = [
    ["PodReadyToStartContainers", view.sandboxReady, {}],
    ["Initialized", view.initialized, {}],
    ["Ready", ready, ready ? {} : why],
    ["ContainersReady", ready, ready ? {} : why],
    ["PodScheduled", true, {}],
  ];
  return wanted.map(([type, good, extra]) => {
    const status = good ? "True" : "False";
    const known = times.get(type);
    const since = known?.status === status ? known.since : timeText(nowMs);
    times.set(type, { status, since });
    return { type, status, lastProbeTime: null, lastTransitionTime: since, ...extra };
  });
}

function containerStatus(view: ContainerView): JsonObject {
  return {
    name: view.name,
    image: view.image,
    imageID: "",
    ready: view.ready,
    started: view.started,
    restartCount: view.restarts,
    state: stateJson(view.state),
    lastState: view.lastState === undefined ? {} : stateJson(view.lastState),
    ...(view.state.kind === "running" ? { containerID: `process://${view.state.pid}` } : {}),
  };
}

function stateJson(state: ContainerState): JsonObject {
  switch (state.kind) {
    case "waiting":
      return {
        waiting: {
          reason: state.reason,
          ...(state.message === "" ? {} : { message: state.message }),
        },
      };
    case "running":
      return { running: { startedAt: timeText(state.startedAt) } };
    case "terminated":
      return {
        terminated: {
          exitCode: state.exitCode,
          ...(state.signal === 0 ? {} : { signal: state.signal }),
          reason: state.reason,
          ...(state.message === undefined ? {} : { message: state.message }),
          startedAt: timeText(state.startedAt),
          finishedAt: timeText(state.finishedAt),
        },
      };
  }
}
