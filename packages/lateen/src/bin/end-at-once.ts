/** The end of a local mesh for somebody who does not want to wait: what is on record is killed. */
import { rmSync } from "node:fs";
import { isAlive } from "../local/proc.ts";
import { readRecord, recordPath } from "../local/process-record.ts";
import { endEverything } from "../local/reap.ts";
import { releaseClaim } from "./mesh-claim.ts";
import { type MeshHome, removeState } from "./mesh-home.ts";

/** Resolves to what has become of it, in a line for the person. Ends only what this process began. */
export async function endAtOnce(home: MeshHome): Promise<string> {
  releaseClaim(home);
  const file = recordPath(home.runtimeDir);
  const content = readRecord(file);
  const owner = content?.header.owner;
  if (content === undefined || owner?.pid !== process.pid || !isAlive(owner))
    return "ended at once; no pod was running";
  const ended = await endEverything(content);
  if (!ended.ok) return ended.diagnostics.map(each => each.message).join("\n");
  rmSync(file, { force: true });
  removeState(home);
  return `ended at once: ${ended.value.processes} processes killed, nothing is left`;
}
