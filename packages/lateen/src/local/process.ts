import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { assert } from "../base/assert.ts";
import { isAlive, type ProcessId, startTimeOf } from "./proc.ts";
import { INSTANCE_VARIABLE, type ProcessRecord } from "./process-record.ts";

export interface Exit {
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess extends ProcessId {
  readonly exited: Promise<Exit>;
  /** undefined while it runs. */
  readonly exit: Exit | undefined;
  /** To the whole process group; nothing happens when the process is gone. */
  signal(name: NodeJS.Signals): void;
}

export interface LaunchOptions {
  readonly role: string;
  readonly sandbox?: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** File descriptors; "ignore" is /dev/null. */
  readonly stdout: number | "ignore";
  readonly stderr: number | "ignore";
}

/** Waits on descriptor 3 until the process is on record; end of file means its parent is gone. */
const GATE = 'read -r go <&3 || exit 125; exec "$@" 3<&-';

/**
 * Starts a program in a session and process group of its own, which is on record before the program
 * runs: a parent that is killed at any point leaves nothing behind that can not be found again.
 * Rejects when the program can not be started, or the record is closed.
 */
export async function launch(
  record: ProcessRecord,
  command: readonly string[],
  options: LaunchOptions,
): Promise<RunningProcess> {
  const child = spawn("/bin/sh", ["-c", GATE, "gate", ...command], {
    detached: true,
    cwd: "/",
    env: { ...options.env, [INSTANCE_VARIABLE]: record.instance },
    stdio: ["ignore", options.stdout, options.stderr, "pipe"],
  });
  let exit: Exit | undefined;
  const exited = new Promise<Exit>(resolve => {
    child.once("exit", (code, signal) => {
      exit = { code: code ?? 128, signal };
      resolve(exit);
    });
  });
  await new Promise<void>((started, failed) => {
    child.once("spawn", started);
    child.once("error", failed);
  });
  const pid = child.pid;
  const startTime = pid === undefined ? undefined : startTimeOf(pid);
  assert(pid !== undefined && startTime !== undefined, "a spawned child waits at the gate");
  const id = { pid, startTime };
  if (record.closed) {
    child.kill("SIGKILL");
    throw new Error("the mesh is being ended: nothing is started any more");
  }
  try {
    record.add({ ...id, role: options.role, sandbox: options.sandbox ?? false });
  } catch (error) {
    // Not on record, and still at the gate: it must not stay there.
    child.kill("SIGKILL");
    throw error;
  }
  openGate(child.stdio[3]);
  return {
    ...id,
    exited,
    get exit() {
      return exit;
    },
    signal: name => signalGroup(id, name),
  };
}

function openGate(gate: unknown): void {
  assert(isWritable(gate), "descriptor 3 is a pipe");
  gate.on("error", () => {});
  gate.end("go\n");
}

function isWritable(stream: unknown): stream is Writable {
  return typeof stream === "object" && stream !== null && "write" in stream;
}

/** Signals a process that we started as leader of its group. */
export function signalGroup(id: ProcessId, signal: NodeJS.Signals): void {
  if (!isAlive(id)) return;
  try {
    process.kill(-id.pid, signal);
  } catch {
    // It ended in between.
  }
}
