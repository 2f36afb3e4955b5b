import { createHash } from "node:crypto";
import type { Deployment } from "../api/deployment/schema.ts";
import type { Json } from "../api/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import { isPodAvailable, isPodFinished, isPodReady, isPodTerminating } from "./pod-facts.ts";

/** Pods to make and to delete now so that a Deployment comes closer to what it should be. */
export interface DeploymentPlan {
  readonly create: number;
  readonly delete: readonly Pod[];
}

export const HASH_LABEL = "pod-template-hash";
/** Kubernetes' alphabet for generated names: no vowels, so no words. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const HASH_LENGTH = 10;

/** Names a template: equal templates have equal hashes, whatever the order of their fields. */
export function templateHash(template: Json): string {
  const digest = createHash("sha256").update(canonical(template)).digest();
  return Array.from(digest.subarray(0, HASH_LENGTH), byte => ALPHABET[byte % ALPHABET.length]).join(
    "",
  );
}

function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join()}}`;
}

/**
 * One step of a rollout (Kubernetes' deployment and replica-set controllers in one). `pods` are the
 * Deployment's own; those that are on their way out count for nothing. Old pods make room only as
 * long as enough others are available, that is ready for `minReadySeconds`.
 */
export function planDeployment(
  deployment: Deployment,
  hash: string,
  pods: readonly Pod[],
  nowMs: number,
): DeploymentPlan {
  const { replicas, strategy, paused, minReadySeconds } = deployment.spec;
  const available = (pod: Pod): boolean => isPodAvailable(pod, minReadySeconds, nowMs);
  const present = pods.filter(pod => !isPodTerminating(pod));
  const finished = present.filter(isPodFinished);
  const live = present.filter(pod => !isPodFinished(pod));
  const current = live.filter(pod => pod.metadata.labels[HASH_LABEL] === hash);
  const old = live.filter(pod => pod.metadata.labels[HASH_LABEL] !== hash);
  if (paused && old.length > 0) return { create: 0, delete: finished };
  const surplus = leastValuable(current).slice(0, Math.max(0, current.length - replicas));
  const missing = Math.max(0, replicas - current.length);
  if (strategy.type === "Recreate") {
    const oldGone = pods.every(pod => pod.metadata.labels[HASH_LABEL] === hash);
    return { create: oldGone ? missing : 0, delete: [...finished, ...surplus, ...old] };
  }
  const { surge, unavailable } = rollingLimits(deployment);
  const room = Math.max(0, replicas + surge - live.length);
  const create = old.length === 0 ? missing : Math.min(missing, room);
  const unready = old.filter(pod => !isPodReady(pod));
  const ready = old.filter(isPodReady);
  const readyNow = live.filter(available).length;
  const spare = Math.max(0, readyNow - (replicas - unavailable));
  return { create, delete: [...finished, ...surplus, ...unready, ...ready.slice(0, spare)] };
}

/** Of equals, those go first that do the least: not ready before ready, young before old. */
function leastValuable(pods: readonly Pod[]): Pod[] {
  return pods.toSorted((a, b) => {
    const byReady = Number(isPodReady(a)) - Number(isPodReady(b));
    if (byReady !== 0) return byReady;
    return b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp);
  });
}

/** Kubernetes rounds a surge up and an unavailability down, and lets one of them be 0. */
export function rollingLimits(deployment: Deployment): { surge: number; unavailable: number } {
  const { replicas, strategy } = deployment.spec;
  const rolling = strategy.rollingUpdate;
  const surge = resolve(rolling?.maxSurge ?? "25%", replicas, Math.ceil);
  const unavailable = resolve(rolling?.maxUnavailable ?? "25%", replicas, Math.floor);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

function resolve(value: number | string, total: number, round: (exact: number) => number): number {
  if (typeof value === "number") return value;
  return round((Number.parseInt(value, 10) * total) / 100);
}
