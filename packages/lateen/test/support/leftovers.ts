/** What a local mesh has on this machine, found through /proc; and what is left of it later. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { RunningMesh } from "./running-mesh.ts";

/** Names of all that one run of a mesh has made; other meshes' things are not among them. */
export interface Footprint {
  /** `pid@start`. */
  readonly processes: readonly string[];
  /** e.g. `net:[4026532000]`. */
  readonly namespaces: readonly string[];
  readonly hostInterface: string;
  /** First two octets of its network. */
  readonly prefix: string;
}

const NAMESPACES = ["net", "mnt", "uts", "ipc", "pid"];

export function footprint(mesh: RunningMesh): Footprint {
  const [header = "{}"] = readFileSync(mesh.path("runtime/processes.jsonl"), "utf8").split("\n");
  const { instance, hostInterface } = JSON.parse(header) as Record<string, string>;
  const marked = processes().filter(pid =>
    read(`/proc/${pid}/environ`).includes(`LATEEN_INSTANCE=${instance}`),
  );
  const own = namespacesOf("self");
  const namespaces = new Set(marked.flatMap(namespacesOf).filter(each => !own.includes(each)));
  const prefix = /^10\.\d+/.exec(mesh.ingress)?.[0] ?? "";
  return {
    processes: [...marked, String(mesh.supervisorPid)].map(identity),
    namespaces: [...namespaces],
    hostInterface: hostInterface ?? "",
    prefix,
  };
}

/** Whatever of it is still there: empty when it was cleaned up. */
export function leftOf(before: Footprint): string[] {
  const found: string[] = [];
  for (const pid of processes()) {
    if (isZombie(pid)) continue;
    if (before.processes.includes(identity(pid))) found.push(`process ${pid}`);
    for (const namespace of namespacesOf(pid))
      if (before.namespaces.includes(namespace)) found.push(`${namespace} of process ${pid}`);
  }
  for (const line of read("/proc/net/dev").split("\n"))
    if (line.trim().startsWith(`${before.hostInterface}:`)) found.push(`link ${line.trim()}`);
  const words = [`${before.hostInterface} `, `"${before.hostInterface}"`, `${before.prefix}.`];
  const tables = [run("ip", "route"), run("nft", "list", "ruleset"), run("iptables-save")];
  for (const line of tables.join("\n").split("\n"))
    if (words.some(word => line.includes(word))) found.push(`rule or route ${line.trim()}`);
  return found;
}

/** Mount points of this process's namespace that lie in a folder. */
export function mountsIn(directory: string): string[] {
  return read("/proc/self/mounts")
    .split("\n")
    .filter(line => line.includes(directory));
}

function processes(): string[] {
  return readdirSync("/proc").filter(name => /^\d+$/.test(name));
}

function namespacesOf(pid: string): string[] {
  return NAMESPACES.flatMap(kind => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${kind}`)];
    } catch {
      return [];
    }
  });
}

/** A pid alone may be given again. */
function identity(pid: string): string {
  return `${pid}@${statOf(pid)[19]}`;
}

/** It has ended; that nobody has taken note of it yet is its parent's affair. */
function isZombie(pid: string): boolean {
  return statOf(pid)[0] === "Z";
}

/** The fields of proc(5)'s stat from the third, the state, on. */
function statOf(pid: string): readonly string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function run(file: string, ...args: readonly string[]): string {
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return "";
  }
}
