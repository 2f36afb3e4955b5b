import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import { recordPath } from "./open-network.ts";
import { pause } from "./pause.ts";
import { isAlive } from "./proc.ts";
import { readRecord } from "./process-record.ts";
import { type Reaped, reap } from "./reap.ts";

export type MeshState =
  | { readonly kind: "absent" }
  /** Processes may be left of a run that crashed. */
  | { readonly kind: "crashed" }
  | { readonly kind: "running"; readonly pid: number };

const POLL_MS = 50;

/** Whether a local mesh with this state folder is up. */
export function localMeshState(stateDir: string): MeshState {
  const record = readRecord(recordPath(stateDir));
  if (record === undefined) return { kind: "absent" };
  const { owner } = record.header;
  return isAlive(owner) ? { kind: "running", pid: owner.pid } : { kind: "crashed" };
}

/**
 * Ends the local mesh with this state folder, whoever runs it: asks its process to end, and cleans up
 * what is left, also of a run that crashed. Fails where the process does not end in time.
 */
export async function endLocalMesh(
  stateDir: string,
  log: Log,
  timeoutMs: number,
): Promise<Result<Reaped>> {
  const owner = readRecord(recordPath(stateDir))?.header.owner;
  if (owner !== undefined && isAlive(owner)) {
    process.kill(owner.pid, "SIGTERM");
    const deadline = Date.now() + timeoutMs;
    while (isAlive(owner) && Date.now() < deadline) await pause(POLL_MS);
  }
  return reap(recordPath(stateDir), log);
}
