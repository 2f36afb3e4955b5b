/** Bringing a Kubernetes cluster up on this machine, and taking it away. */

import { existsSync } from "node:fs";
import { callApi } from "./api-client.ts";
import { baseImages } from "./base-images.ts";
import { kubernetesBinaries } from "./binaries.ts";
import { startControlPlane } from "./control-plane.ts";
import { installDns, isDnsReady } from "./dns.ts";
import { importImage, type ProxyMode, prepareNode, startNode } from "./node.ts";
import { makePki } from "./pki.ts";
import { type ClusterMode, type ClusterPlan, pathsOf } from "./plan.ts";
import type { Progress } from "./progress.ts";
import { requireMachine } from "./requirements.ts";
import { isLeftOver, listClusters, readCluster, reserve, type Wanted } from "./state.ts";
import { takeDown } from "./teardown.ts";
import { waitFor } from "./wait.ts";

export interface UpOptions {
  readonly name: string;
  /** Any free one when not given. */
  readonly number?: number | undefined;
  readonly mode: ClusterMode;
  readonly proxyMode?: ProxyMode | undefined;
  readonly dualStack?: boolean;
  /** Archive of images to have in the node beside the two that every cluster needs. */
  readonly images?: (progress: Progress) => Promise<string>;
  /** It ends with this process, or with the next start of a cluster after it. */
  readonly owned?: boolean;
  readonly progress: Progress;
}

export interface RunningCluster {
  readonly plan: ClusterPlan;
  /** Folder with kubectl and the other programs. */
  readonly binaries: string;
  /** It ran before. */
  readonly wasThere: boolean;
}

const DNS_MS = 180_000;

/** Starts a cluster, or finds it running. What crashes have left is removed first. */
export async function up(options: UpOptions): Promise<RunningCluster> {
  const { progress } = options;
  await requireMachine(options.mode, progress);
  const binaries = await kubernetesBinaries(progress);
  await sweep(progress);
  const there = readCluster(options.name);
  if (there !== undefined && (await answers(there.plan)))
    return { plan: there.plan, binaries, wasThere: true };
  if (there !== undefined) {
    progress(`cluster ${options.name} does not answer; it is removed`);
    await takeDown(there);
  }
  const state = await reserve(wanted(options, binaries), progress);
  try {
    await start(state.plan, binaries, options);
  } catch (error) {
    await takeDown(state);
    throw error;
  }
  return { plan: state.plan, binaries, wasThere: false };
}

/** A cluster that somebody else has started; undefined when there is none of this name. */
export function find(name: string): RunningCluster | undefined {
  const state = readCluster(name);
  return state && { plan: state.plan, binaries: state.binaries, wasThere: true };
}

/** Takes a cluster away; false when there is none of this name. */
export async function down(name: string): Promise<boolean> {
  const state = readCluster(name);
  if (state === undefined) return false;
  await takeDown(state);
  return true;
}

/** Removes clusters whose owner has ended, and those of an earlier boot. */
export async function sweep(progress: Progress): Promise<void> {
  for (const state of listClusters().filter(isLeftOver)) {
    progress(`removing what is left of cluster ${state.plan.name}`);
    await takeDown(state);
  }
}

async function start(plan: ClusterPlan, binaries: string, options: UpOptions): Promise<void> {
  const { progress } = options;
  progress(`cluster ${plan.name}, number ${plan.number}`);
  const certificates = makePki(plan);
  if (plan.mode === "control-plane") {
    await certificates;
    await startControlPlane(plan, binaries, progress);
    return;
  }
  await prepareNode(plan, progress);
  await certificates;
  const base = importBase(plan, binaries, progress);
  const images = base.then(() => importMore(plan, options));
  // Whichever fails first, the others' failures have somebody who listens.
  await Promise.all([images, startWithDns(plan, binaries, options, base)]);
}

async function startWithDns(
  plan: ClusterPlan,
  binaries: string,
  { proxyMode = "iptables", progress }: UpOptions,
  baseImported: Promise<void>,
): Promise<void> {
  await Promise.all([baseImported, startControlPlane(plan, binaries, progress)]);
  await installDns(plan);
  await startNode(plan, binaries, proxyMode, progress);
  await waitFor(plan, "CoreDNS is ready", DNS_MS, [], () => isDnsReady(plan));
  progress("DNS ready");
}

async function importMore(plan: ClusterPlan, { images, progress }: UpOptions): Promise<void> {
  if (images === undefined) return;
  await importImage(plan, await images(progress));
  progress("images imported");
}

async function importBase(plan: ClusterPlan, binaries: string, progress: Progress): Promise<void> {
  for (const archive of await baseImages(binaries)) await importImage(plan, archive);
  progress("base images imported");
}

async function answers(plan: ClusterPlan): Promise<boolean> {
  // What a crash has left may lack its certificates.
  if (!existsSync(pathsOf(plan).kubeconfig)) return false;
  const { status } = await callApi(plan, { path: "/readyz" });
  return status === 200;
}

function wanted(options: UpOptions, binaries: string): Wanted {
  const { name, number, mode, dualStack = false, owned = false } = options;
  return { name, number, mode, dualStack, owned, binaries };
}

export function clusterNames(): string[] {
  return listClusters().map(state => state.plan.name);
}
