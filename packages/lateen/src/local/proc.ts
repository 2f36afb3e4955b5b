import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that can not be mistaken for a later one with the same number. */
export interface ProcessId {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  readonly startTime: string;
}

/** Start time of a live process; undefined when there is none, or only a zombie. */
export function startTimeOf(pid: number): string | undefined {
  const stat = readProc(pid, "stat");
  return stat === undefined ? undefined : startTimeIn(stat);
}

/**
 * The same, of the text of /proc/PID/stat. A process whose first thread has ended shows as a zombie
 * while others of its threads still run: until the last has ended, its files, locks and ports are in use.
 */
export function startTimeIn(stat: string): string | undefined {
  const fields = fieldsOf(stat);
  const [state] = fields;
  const ended = state === "X" || (state === "Z" && Number(fields[17]) <= 1);
  return ended ? undefined : fields[19];
}

export function isAlive(id: ProcessId): boolean {
  return startTimeOf(id.pid) === id.startTime;
}

/** Changes with each boot: a record of processes is void after it. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Identity of a process' network namespace, e.g. `net:[4026532281]`. */
export function networkNamespaceOf(pid: number | "self"): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** The name of the program that a process runs. */
export function programOf(pid: number): string | undefined {
  return readProc(pid, "comm")?.trim();
}

/** The first child of a process that has only one thread. */
export function childOf(pid: number): number | undefined {
  const children = readProc(pid, `task/${pid}/children`);
  const first = Number.parseInt(children ?? "", 10);
  return Number.isNaN(first) ? undefined : first;
}

/** The number that a process has in its own namespace of processes. */
export function pidInside(pid: number): number {
  const numbers = /^NSpid:\s+(.*)$/m.exec(readProc(pid, "status") ?? "")?.[1]?.split(/\s+/);
  return Number(numbers?.at(-1) ?? pid);
}

/** Whether a process leads a process group of its own. */
export function leadsGroup(pid: number): boolean {
  return fieldsOf(readProc(pid, "stat") ?? "")[2] === String(pid);
}

/** Every process that is in the network namespace, or was started with `NAME=value` set. */
export function processesIn(namespaces: ReadonlySet<string>, marker: string): readonly ProcessId[] {
  const found: ProcessId[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const namespace = networkNamespaceOf(pid);
    const inside = namespace !== undefined && namespaces.has(namespace);
    if (!inside && !environmentHas(pid, marker)) continue;
    const startTime = startTimeOf(pid);
    if (startTime !== undefined) found.push({ pid, startTime });
  }
  return found;
}

/** SIGKILL to each that still is the process it was. */
export function killAll(ids: readonly ProcessId[]): void {
  for (const id of ids) {
    try {
      if (isAlive(id)) process.kill(id.pid, "SIGKILL");
    } catch {
      // It ended in between.
    }
  }
}

/** The fields of proc(5)'s stat from the third, the state, on. */
function fieldsOf(stat: string): readonly string[] {
  // The program's name, in parentheses, may hold anything.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function environmentHas(pid: number, marker: string): boolean {
  return readProc(pid, "environ")?.split("\0").includes(marker) ?? false;
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}
