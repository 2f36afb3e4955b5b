/** `lateen down`: ends a local mesh, also one whose supervisor has died. */
import { rmSync } from "node:fs";
import { booleanFlag, type Command, UserError } from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { isAlive } from "../local/proc.ts";
import { systemClock } from "../net/clock.ts";
import { createLog } from "../net/log.ts";
import { meshNameOf } from "./local-mesh.ts";
import { DEFAULT_MESH, meshHome, recordedState, removeState, runningState } from "./mesh-home.ts";
import { refuseCluster } from "./which-mesh.ts";

const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

export const downCommand: Command = {
  name: "down",
  summary: "Ends the local mesh",
  description:
    "Ends the local mesh: its pods, control plane and network. What was applied is kept for the next\n" +
    "'lateen up', unless --purge is given. Also cleans up after a mesh that crashed.",
  flags: [{ name: "purge", kind: "boolean", description: "Remove what was applied, too" }],
  examples: ["lateen down", "lateen down --purge"],
  async run(ctx, call) {
    refuseCluster(call.flags);
    const home = meshHome(ctx.home, meshToEnd(ctx));
    const state = recordedState(home);
    const wasRunning = runningState(home) !== undefined;
    if (state !== undefined && wasRunning) {
      process.kill(state.supervisor.pid, "SIGTERM");
      if (!(await ended(() => isAlive(state.supervisor)))) {
        throw new UserError(`process ${state.supervisor.pid} does not end; see its terminal`);
      }
    }
    const log = createLog({
      format: "text",
      level: "warn",
      clock: systemClock,
      write: line => ctx.stderr.write(line),
    });
    // Loaded only here: most commands are over before this would be read.
    const { recordPath } = await import("../local/process-record.ts");
    const { reap } = await import("../local/reap.ts");
    const reaped = await reap(recordPath(home.runtimeDir), log);
    if (!reaped.ok) throw new UserError(reaped.diagnostics.map(each => each.message).join("; "));
    removeState(home);
    if (booleanFlag(call, "purge")) rmSync(home.dir, { recursive: true, force: true });
    const left = reaped.value.processes;
    if (wasRunning) ctx.stdout.write(`mesh "${home.name}" is down\n`);
    else if (left > 0) ctx.stdout.write(`cleaned up ${left} processes of a mesh that crashed\n`);
    else ctx.stdout.write(`mesh "${home.name}" is not running\n`);
    return 0;
  },
};

/** What a crashed mesh of the default name left behind goes before one that runs. */
function meshToEnd({ home, meshName }: CliContext): string {
  if (meshName === undefined && recordedState(meshHome(home, DEFAULT_MESH)) !== undefined) {
    return DEFAULT_MESH;
  }
  return meshNameOf(home, meshName);
}

async function ended(alive: () => boolean): Promise<boolean> {
  for (let waited = 0; alive(); waited += POLL_MS) {
    if (waited > STOP_TIMEOUT_MS) return false;
    await new Promise(done => setTimeout(done, POLL_MS));
  }
  return true;
}
