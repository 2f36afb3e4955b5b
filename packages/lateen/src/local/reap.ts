import { rmSync } from "node:fs";
import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import { runCommand } from "./command.ts";
import { pause } from "./pause.ts";
import {
  bootId,
  isAlive,
  killAll,
  networkNamespaceOf,
  type ProcessId,
  processesIn,
} from "./proc.ts";
import { markerOf, type RecordContent, readRecord } from "./process-record.ts";

export interface Reaped {
  /** Processes that were ended. */
  readonly processes: number;
}

const POLL_MS = 20;
const KILL_ROUNDS = 200;

/**
 * Ends what a run that crashed has left: the recorded processes, whatever else is in their network
 * namespaces, and what carries the run's mark in its environment. Nothing is found by name. Refuses
 * while the process that owns the record is alive.
 */
export async function reap(recordPath: string, log: Log): Promise<Result<Reaped>> {
  const content = readRecord(recordPath);
  if (content === undefined) return { ok: true, value: { processes: 0 }, diagnostics: [] };
  const { owner } = content.header;
  if (content.header.boot !== bootId()) {
    rmSync(recordPath, { force: true });
    return { ok: true, value: { processes: 0 }, diagnostics: [] };
  }
  if (isAlive(owner) && owner.pid !== process.pid)
    return failure(
      "AlreadyRunning",
      `a mesh with this state folder is running as process ${owner.pid} (record ${recordPath}); ` +
        "stop it first, or use another state folder",
    );
  const ended = await endEverything(content);
  if (!ended.ok) return ended;
  rmSync(recordPath, { force: true });
  if (ended.value.processes > 0)
    log.info("ended what an earlier run left", { processes: ended.value.processes });
  return ended;
}

/** Kills all processes of a record and waits until they and the host's interface are gone. */
export async function endEverything(content: RecordContent): Promise<Result<Reaped>> {
  const own = networkNamespaceOf("self");
  const namespaces = new Set<string>();
  for (const entry of content.processes) {
    const namespace = entry.sandbox && isAlive(entry) ? networkNamespaceOf(entry.pid) : undefined;
    if (namespace !== undefined && namespace !== own) namespaces.add(namespace);
  }
  const seen = new Set<number>();
  let left: readonly ProcessId[] = [];
  for (let round = 0; round < KILL_ROUNDS; round++) {
    left = [
      ...content.processes.filter(isAlive),
      ...processesIn(namespaces, markerOf(content.header)),
    ];
    if (left.length === 0) break;
    for (const id of left) seen.add(id.pid);
    killAll(left);
    await pause(POLL_MS);
  }
  if (left.length > 0)
    return failure("CanNotEnd", `processes ${left.map(id => id.pid).join(", ")} do not end`);
  await removeInterface(content.header.hostInterface);
  return { ok: true, value: { processes: seen.size }, diagnostics: [] };
}

/** The kernel removes it with its peer's namespace, but later: take it away now. */
async function removeInterface(name: string | undefined): Promise<void> {
  if (name === undefined) return;
  await runCommand("ip", ["link", "delete", "dev", name]);
}

function failure(reason: string, message: string): Result<Reaped> {
  return { ok: false, diagnostics: [{ severity: "error", path: "", message, reason }] };
}
