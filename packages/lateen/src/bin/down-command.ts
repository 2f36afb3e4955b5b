/** `lateen down`: ends a local mesh, also one whose supervisor has died. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { booleanFlag, type Command, UserError } from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { isAlive, type ProcessId } from "../local/proc.ts";
import { systemClock } from "../net/clock.ts";
import { createLog } from "../net/log.ts";
import { meshNameOf } from "./local-mesh.ts";
import { removeClaim, supervisorOf } from "./mesh-claim.ts";
import {
  DEFAULT_MESH,
  type MeshHome,
  meshesKept,
  meshHome,
  recordedState,
  removeState,
  runningMeshes,
  runningState,
} from "./mesh-home.ts";
import { refuseCluster } from "./which-mesh.ts";

const STOP_TIMEOUT_MS = 60_000;
const STARTING_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

export const downCommand: Command = {
  name: "down",
  summary: "Ends the local mesh",
  description:
    "Ends the local mesh, also one that is still being started: its pods, control plane and network. What was applied is kept for the next\n" +
    "'lateen up', unless --purge is given. Also cleans up after a mesh that crashed.",
  flags: [{ name: "purge", kind: "boolean", description: "Remove what was applied, too" }],
  examples: ["lateen down", "lateen down --purge"],
  async run(ctx, call) {
    refuseCluster(call.flags);
    const home = meshHome(ctx.home, meshToEnd(ctx));
    const supervisor = supervisorOf(home);
    const wasUp = runningState(home) !== undefined;
    if (supervisor !== undefined) await endSupervisor(supervisor, wasUp);
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
    removeClaim(home);
    const left = reaped.value.processes;
    ctx.stdout.write(`${whatHasEnded(home, supervisor !== undefined, wasUp, left)}\n`);
    if (booleanFlag(call, "purge")) ctx.stdout.write(`${purge(home)}\n`);
    return 0;
  },
};

function whatHasEnded({ name }: MeshHome, was: boolean, wasUp: boolean, left: number): string {
  if (was) return `mesh "${name}" is down${wasUp ? "" : "; it was not up yet"}`;
  if (left > 0) return `cleaned up ${left} processes of a mesh that crashed`;
  return `mesh "${name}" is not running`;
}

/** One that has not come up may be at something long, as a download: asked twice, it ends at once. */
async function endSupervisor(supervisor: ProcessId, wasUp: boolean): Promise<void> {
  const limits = wasUp ? [STOP_TIMEOUT_MS] : [STARTING_TIMEOUT_MS, STOP_TIMEOUT_MS];
  for (const limitMs of limits) {
    try {
      process.kill(supervisor.pid, "SIGTERM");
    } catch {
      // It ended in between.
    }
    if (await ended(() => isAlive(supervisor), limitMs)) return;
  }
  throw new UserError(`process ${supervisor.pid} does not end; see its terminal`);
}

/** What there is to be said of each thing in a mesh's home. */
const KEPT: Readonly<Record<string, string>> = {
  "store.db": "what was applied, and the CA's key",
  kubeconfig: "kubectl's way in",
  runtime: "records and logs of pods",
  "control-plane.log": "the control plane's log",
  "network.json": "its range of addresses",
};

/** Removes a mesh's home; the result says what that was. */
function purge(home: MeshHome): string {
  if (!existsSync(home.dir)) return `nothing to remove: there is no ${home.dir}`;
  const found = readdirSync(home.dir).flatMap(name => {
    const what = KEPT[name];
    return what === undefined ? [] : [`${name} (${what})`];
  });
  rmSync(home.dir, { recursive: true, force: true });
  return `removed ${home.dir}${found.length === 0 ? "" : `: ${found.join(", ")}`}`;
}

/** What a crashed mesh of the default name left behind goes before one that runs. */
function meshToEnd({ home, meshName }: CliContext): string {
  const byDefault = meshHome(home, DEFAULT_MESH);
  const isThere = recordedState(byDefault) !== undefined || supervisorOf(byDefault) !== undefined;
  if (meshName === undefined && isThere) return DEFAULT_MESH;
  const starting = meshName === undefined ? startingMeshes(home) : [];
  if (starting.length === 1 && runningMeshes(home).length === 0) return starting[0] ?? DEFAULT_MESH;
  return meshNameOf(home, meshName);
}

/** Of those that are not up yet. */
function startingMeshes(home: string | undefined): string[] {
  return meshesKept(home).filter(name => supervisorOf(meshHome(home, name)) !== undefined);
}

async function ended(alive: () => boolean, limitMs: number): Promise<boolean> {
  for (let waited = 0; alive(); waited += POLL_MS) {
    if (waited > limitMs) return false;
    await new Promise(done => setTimeout(done, POLL_MS));
  }
  return true;
}
