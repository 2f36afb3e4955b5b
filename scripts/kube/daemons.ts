/** The processes of a cluster: each recorded as it starts, so that whoever comes later can end it. */
import { spawn } from "node:child_process";
import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, type ProcessId, startTimeOf } from "../../packages/lateen/src/local/proc.ts";
import { SYSTEM_PATH } from "../../packages/lateen/src/local/sandbox.ts";
import { daemonsCgroup } from "./cgroups.ts";
import { type ClusterPlan, pathsOf } from "./plan.ts";

export interface Daemon extends ProcessId {
  readonly name: string;
}

/** Which of the node's namespaces a program is to see. */
export type Inside = "host" | "network" | "node";

/** The process that holds the node's namespaces. */
export const HOLDER = "holder";

/** Starts a program that outlives this process; what it prints goes to `log/<name>.log`. */
export function startDaemon(
  plan: ClusterPlan,
  name: string,
  inside: Inside,
  command: readonly string[],
): Daemon {
  const { log, record } = pathsOf(plan);
  mkdirSync(log, { recursive: true });
  const output = openSync(join(log, `${name}.log`), "a", 0o600);
  const [file = "", ...args] = joinCgroup(plan, [...entering(plan, inside), ...command]);
  const child = spawn(file, args, {
    detached: true,
    cwd: "/",
    env: { PATH: SYSTEM_PATH, HOME: "/root" },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  child.on("error", () => {});
  child.unref();
  const pid = child.pid ?? 0;
  const daemon = { name, pid, startTime: startTimeOf(pid) ?? "" };
  appendFileSync(record, `${JSON.stringify(daemon)}\n`, { mode: 0o600 });
  return daemon;
}

/** The command line that runs what follows it in the node's namespaces. Paths must be absolute. */
export function entering(plan: ClusterPlan, inside: Inside): string[] {
  if (inside === "host" || plan.mode === "control-plane") return [];
  const holder = daemons(plan).find(each => each.name === HOLDER);
  if (holder === undefined || !isAlive(holder))
    throw new Error(`cluster ${plan.name}: its node is not there any more`);
  const namespaces = inside === "node" ? ["--net", "--mount"] : ["--net"];
  return ["nsenter", "--target", String(holder.pid), ...namespaces, "--"];
}

/** Everything recorded, also what has ended since. */
export function daemons(plan: ClusterPlan): Daemon[] {
  const { record } = pathsOf(plan);
  if (!existsSync(record)) return [];
  const lines = readFileSync(record, "utf8").split("\n");
  return lines.filter(line => line.endsWith("}")).map(line => JSON.parse(line) as Daemon);
}

export function lastLines(plan: ClusterPlan, name: string, count = 8): string {
  const file = join(pathsOf(plan).log, `${name}.log`);
  if (!existsSync(file)) return "";
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join("\n");
}

/** In a control group of the cluster's own, which all that it starts stays in. */
function joinCgroup(plan: ClusterPlan, command: readonly string[]): string[] {
  if (plan.mode === "control-plane") return [...command];
  const procs = join(daemonsCgroup(plan), "cgroup.procs");
  return ["/bin/sh", "-c", `echo $$ > ${procs} && exec "$@"`, "sh", ...command];
}
