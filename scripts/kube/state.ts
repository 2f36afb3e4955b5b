/** What clusters there are on this machine, and whose they are. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { freePort } from "../../packages/lateen/src/bin/free-port.ts";
import { cacheDir } from "../../packages/lateen/src/local/envoy-binary.ts";
import {
  bootId,
  isAlive,
  type ProcessId,
  startTimeOf,
} from "../../packages/lateen/src/local/proc.ts";
import { withLock } from "./lock.ts";
import { type ClusterMode, type ClusterPlan, MAX_CLUSTERS, planCluster } from "./plan.ts";
import type { Progress } from "./progress.ts";

export interface ClusterState {
  readonly plan: ClusterPlan;
  /** Folder with the programs that it runs, kubectl among them. */
  readonly binaries: string;
  /** Processes of an earlier boot are not ours any more, whatever their numbers. */
  readonly boot: string;
  /** The cluster ends with this process; without one it stays until somebody takes it down. */
  readonly owner?: ProcessId;
}

export interface Wanted {
  readonly name: string;
  readonly binaries: string;
  /** Any free one when not given. */
  readonly number?: number | undefined;
  readonly mode: ClusterMode;
  readonly dualStack: boolean;
  /** It is for this process alone: a test run's. */
  readonly owned: boolean;
}

const NAME = /^[a-z][a-z0-9-]{0,19}$/;
const isRoot = process.getuid?.() === 0;
const root = isRoot ? "/var/lib/lateen-kube" : join(cacheDir(process.env), "kube", "state");

export function isClusterName(name: string): boolean {
  return NAME.test(name);
}

export function listClusters(): ClusterState[] {
  const folder = join(root, "clusters");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap(name => readCluster(name) ?? []);
}

export function readCluster(name: string): ClusterState | undefined {
  const file = stateFile(join(root, "clusters", name));
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, "utf8")) as ClusterState;
}

/** Its owner has ended without taking it down, or the machine has been started again since. */
export function isLeftOver(state: ClusterState): boolean {
  if (state.boot !== bootId()) return true;
  return state.owner !== undefined && !isAlive(state.owner);
}

/** Reserves a name and a number; throws where either is taken. */
export async function reserve(wanted: Wanted, progress: Progress): Promise<ClusterState> {
  return withLock("numbers", progress, async () => {
    const clusters = listClusters();
    if (clusters.some(each => each.plan.name === wanted.name))
      throw new Error(`a cluster named ${wanted.name} is there already`);
    const number = freeNumber(clusters, wanted.number);
    const { name, mode, dualStack, binaries } = wanted;
    const ports = mode === "node" ? {} : { ports: await freePorts() };
    const plan = planCluster({ name, number, mode, dualStack, root, ...ports });
    const self = { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" };
    const state = { plan, binaries, boot: bootId(), ...(wanted.owned ? { owner: self } : {}) };
    mkdirSync(plan.directory, { recursive: true, mode: 0o700 });
    // Whole or not at all: a cluster is known by this file.
    writeFileSync(`${stateFile(plan.directory)}.new`, JSON.stringify(state), { mode: 0o600 });
    renameSync(`${stateFile(plan.directory)}.new`, stateFile(plan.directory));
    return state;
  });
}

function freeNumber(clusters: readonly ClusterState[], wanted: number | undefined): number {
  const holder = new Map(clusters.map(each => [each.plan.number, each.plan.name]));
  const candidates = wanted === undefined ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [wanted];
  const free = candidates.find(number => !holder.has(number));
  if (free !== undefined) return free;
  if (wanted !== undefined)
    throw new Error(`number ${wanted} is the cluster ${holder.get(wanted)}'s; take another one`);
  throw new Error(`${MAX_CLUSTERS} clusters are there already; take one down first`);
}

async function freePorts(): Promise<ClusterPlan["ports"]> {
  const ports = new Set<number>();
  while (ports.size < 5) ports.add(await freePort(0));
  const [api = 0, etcd = 0, etcdPeer = 0, controllerManager = 0, scheduler = 0] = ports;
  return { api, etcd, etcdPeer, controllerManager, scheduler };
}

function stateFile(directory: string): string {
  return join(directory, "cluster.json");
}

/** The folder of all clusters goes with the last one. */
export function removeStateRoot(): void {
  for (const folder of [join(root, "clusters"), root]) {
    if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
  }
}

/** Empty folders that we made on the machine, as places to mount on. */
export const madeFolders: string = join(root, "made-folders");
