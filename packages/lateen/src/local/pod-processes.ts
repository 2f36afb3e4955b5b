import { readFileSync } from "node:fs";
import type { Result } from "../base/diagnostic.ts";
import { enterCommand, hasContainerMarker } from "./container-process.ts";
import { userOf } from "./container-user.ts";
import { pause } from "./pause.ts";
import { childOf, isAlive, pidInside } from "./proc.ts";
import { type RecordedProcess, readRecord, recordPath } from "./process-record.ts";
import { quote } from "./quote.ts";

/** What a shell would need to run something in a container. */
export interface ExecCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const PROXY = "istio-proxy";
const POLL_MS = 5;
const START_MS = 1000;

/**
 * The command that runs `argv` in a container of a pod of the mesh with this state folder, with the
 * container's environment, user and working directory. Any process of root may start it. With `tty`,
 * and a terminal as standard input, the program has a terminal of the pod's own: shells know the
 * process groups of none but their own PID namespace.
 */
export async function execCommand(
  stateDir: string,
  pod: { readonly namespace: string; readonly name: string },
  container: string | undefined,
  argv: readonly string[],
  tty = false,
): Promise<Result<ExecCommand>> {
  const found = findContainer(stateDir, pod, container);
  if (!found.ok) return found;
  const { pid, env } = await programOf(found.value);
  // The working directory of the container's program, as the pod sees it.
  const enter = 'cd -P "/proc/$1/cwd" 2>/dev/null; unset OLDPWD; shift; exec "$@"';
  const run = ["sh", "-c", enter, "exec"];
  const command = {
    argv: [...run, String(pidInside(pid)), ...(tty ? onTerminal(argv) : argv)],
    env: tty ? { TERM: "xterm", ...env } : env,
    workingDir: "/",
    user: userOf(pid),
  };
  const entering = enterCommand(pid, command, "attached");
  const [file = "", ...args] = entering.argv;
  return { ok: true, value: { file, args, env: entering.env }, diagnostics: [] };
}

/** util-linux' script(1) opens the terminal, passes bytes and window sizes on, and the exit code back. */
function onTerminal(argv: readonly string[]): string[] {
  const open =
    'if [ -t 0 ] && command -v script >/dev/null; then SHELL=/bin/sh exec script -qec "$1" /dev/null; fi; ' +
    'shift; exec "$@"';
  return ["sh", "-c", open, "exec", `exec ${argv.map(quote).join(" ")}`, ...argv];
}

/** On record is the shell that waits for the program. A pod that has just started has none yet. */
async function programOf(
  shell: RecordedProcess,
): Promise<{ readonly pid: number; readonly env: Readonly<Record<string, string>> }> {
  for (let waited = 0; ; waited += POLL_MS) {
    const pid = childOf(shell.pid) ?? shell.pid;
    const env = environmentOf(pid);
    if (hasContainerMarker(env) || waited >= START_MS) return { pid, env };
    await pause(POLL_MS);
  }
}

/** The process that holds a pod's namespaces. */
export function findSandbox(
  stateDir: string,
  pod: { readonly namespace: string; readonly name: string },
): Result<RecordedProcess> {
  const found = live(stateDir).findLast(entry => entry.role === `pod ${keyOf(pod)}`);
  return found === undefined
    ? failure(`pod ${keyOf(pod)} is not running`)
    : { ok: true, value: found, diagnostics: [] };
}

function findContainer(
  stateDir: string,
  pod: { readonly namespace: string; readonly name: string },
  container: string | undefined,
): Result<RecordedProcess> {
  const prefix = `${keyOf(pod)} `;
  const running = live(stateDir).filter(entry => entry.role.startsWith(prefix));
  const names = [...new Set(running.map(entry => entry.role.slice(prefix.length)))];
  const wanted = container ?? names.find(name => name !== PROXY) ?? names[0];
  const found = running.findLast(entry => entry.role === `${prefix}${wanted}`);
  if (found !== undefined) return { ok: true, value: found, diagnostics: [] };
  if (names.length === 0) return failure(`pod ${keyOf(pod)} is not running`);
  return failure(
    `container ${container ?? ""} is not running in pod ${keyOf(pod)}; running: ${names.join(", ")}`,
  );
}

function live(stateDir: string): readonly RecordedProcess[] {
  return readRecord(recordPath(stateDir))?.processes.filter(isAlive) ?? [];
}

function environmentOf(pid: number): Record<string, string> {
  const env: Record<string, string> = {};
  for (const entry of readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")) {
    const at = entry.indexOf("=");
    if (at > 0) env[entry.slice(0, at)] = entry.slice(at + 1);
  }
  return env;
}

function keyOf(pod: { readonly namespace: string; readonly name: string }): string {
  return `${pod.namespace}/${pod.name}`;
}

function failure(message: string): Result<never> {
  return {
    ok: false,
    diagnostics: [{ severity: "error", path: "", message, reason: "NotRunning" }],
  };
}
