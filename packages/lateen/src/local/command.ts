import { spawn } from "node:child_process";

export interface CommandResult {
  /** Exit code; 127 when the program could not be started, 124 when it ran out of time. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Longest output that is kept of one command. */
const MAX_OUTPUT = 1 << 20;
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Runs a program to its end. Never rejects: what went wrong is in the result. It has a process group of
 * its own: Ctrl-C in the terminal is for us, who end in order; out of time, all of it ends.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise(resolve => {
    const child = spawn(file, args, {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    let stdout = "";
    let stderr = "";
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      if (child.pid !== undefined) killGroup(child.pid);
    }, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      if (stdout.length < MAX_OUTPUT) stdout += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      if (stderr.length < MAX_OUTPUT) stderr += chunk;
    });
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    child.on("error", error => {
      clearTimeout(timer);
      resolve({ code: 127, stdout, stderr: `${file}: ${error.message}` });
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const ended = code ?? 128;
      const note = signal === null ? "" : `\n${file} ended by ${signal}`;
      resolve({ code: timedOut ? 124 : ended, stdout, stderr: stderr + note });
    });
  });
}

/** The caller has a child of this number, which leads the group and is not waited for yet. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended in between.
  }
}

/** The last few lines of a program's complaint, for a message to the user. */
export function complaint(result: CommandResult): string {
  const text = result.stderr.trim() || result.stdout.trim();
  return text.split("\n").slice(-4).join("; ").slice(0, 600) || `exit code ${result.code}`;
}
