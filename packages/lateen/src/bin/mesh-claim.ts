/**
 * Who has a mesh's home: a file with the supervisor's process, from the first thing that it does to the
 * last. `state.json`, for other commands, is there only while the mesh is up.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../cli/command.ts";
import { isAlive, type ProcessId, startTimeOf } from "../local/proc.ts";
import { type MeshHome, recordedState } from "./mesh-home.ts";

const claimFile = (home: MeshHome): string => join(home.dir, "supervisor.json");

/** The supervisor that has the home now, whether its mesh is up already or not. */
export function supervisorOf(home: MeshHome): ProcessId | undefined {
  return [readClaim(home), recordedState(home)?.supervisor].find(
    each => each !== undefined && isAlive(each),
  );
}

/** Makes this process the one. Throws UserError where there is another; the result gives it back. */
export function claimHome(home: MeshHome): () => void {
  const own: ProcessId = { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" };
  const file = claimFile(home);
  const mine = `${file}.${process.pid}`;
  try {
    writeFileSync(mine, JSON.stringify(own), { mode: 0o600 });
    const other = supervisorOf(home);
    if (other !== undefined && other.pid !== own.pid) throw isTaken(home, other);
    // One that is gone has left it. Of two that come at once, one finds the other's.
    if (other === undefined) rmSync(file, { force: true });
    if (other === undefined && !link(mine, file)) throw isTaken(home, readClaim(home));
    else renameSync(mine, file);
  } finally {
    rmSync(mine, { force: true });
  }
  return () => releaseClaim(home);
}

/** Where this process has it; nothing happens otherwise. */
export function releaseClaim(home: MeshHome): void {
  if (readClaim(home)?.pid === process.pid) rmSync(claimFile(home), { force: true });
}

/** For what its supervisor has left; the caller has seen that it is gone. */
export function removeClaim(home: MeshHome): void {
  rmSync(claimFile(home), { force: true });
}

/** False: there is one already. */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function isTaken(home: MeshHome, other: ProcessId | undefined): UserError {
  const up = recordedState(home)?.supervisor.pid === other?.pid;
  const what = up ? "is running already" : "is being started or ended already";
  return new UserError(
    `mesh "${home.name}" ${what}, as process ${other?.pid ?? "?"}`,
    "use it, end it with 'lateen down', or start another one with --mesh NAME",
  );
}

function readClaim(home: MeshHome): ProcessId | undefined {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(claimFile(home), "utf8")) as ProcessId;
    return { pid, startTime };
  } catch {
    return undefined;
  }
}
