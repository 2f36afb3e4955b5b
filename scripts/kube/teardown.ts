import { existsSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { bootId, isAlive, killAll, startTimeOf } from "../../packages/lateen/src/local/proc.ts";
import { cgroupProcesses, removeCgroups } from "./cgroups.ts";
import { daemons } from "./daemons.ts";
import { removeLinks, removeMountPoints } from "./network.ts";
import type { ClusterPlan } from "./plan.ts";
import { type ClusterState, listClusters, removeStateRoot } from "./state.ts";

const ROUNDS = 100;
const ROUND_MS = 50;

/**
 * Ends every process of a cluster, those recorded and those in its control groups, which takes its
 * namespaces, mounts and links along, and removes its groups and files. Works on what a crash has
 * left, too. Throws, naming it, where something stays.
 */
export async function takeDown(state: ClusterState): Promise<void> {
  const { plan } = state;
  const sameBoot = state.boot === bootId();
  if (sameBoot) await endProcesses(plan);
  if (plan.mode === "node") {
    await removeLinks(plan);
    await removeGroups(plan);
  }
  rmSync(plan.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  if (existsSync(plan.directory)) throw new Error(`${plan.directory} could not be removed`);
  if (!listClusters().some(each => each.plan.mode === "node")) removeMountPoints();
  removeStateRoot();
}

async function endProcesses(plan: ClusterPlan): Promise<void> {
  const recorded = daemons(plan);
  for (let round = 0; round < ROUNDS; round++) {
    const alive = [...recorded.filter(isAlive), ...grouped(plan)];
    if (alive.length === 0) return;
    killAll(alive);
    await sleep(ROUND_MS);
  }
  const left = [...recorded.filter(isAlive), ...grouped(plan)];
  throw new Error(`these processes do not end: ${left.map(each => each.pid).join(", ")}`);
}

/** Pods and whatever else the daemons have started: nobody else is in the cluster's groups. */
function grouped(plan: ClusterPlan) {
  if (plan.mode === "control-plane") return [];
  return cgroupProcesses(plan).flatMap(pid => {
    const startTime = startTimeOf(pid);
    return startTime === undefined ? [] : [{ pid, startTime }];
  });
}

/** A group stays busy until the last of its processes has been reaped. */
async function removeGroups(plan: ClusterPlan): Promise<void> {
  let left = removeCgroups(plan);
  for (let round = 0; left.length > 0 && round < ROUNDS; round++) {
    await sleep(ROUND_MS);
    left = removeCgroups(plan);
  }
  if (left.length > 0) throw new Error(`control groups in use: ${left.join(", ")}`);
}
