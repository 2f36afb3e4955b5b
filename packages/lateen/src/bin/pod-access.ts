/** Pods of the local mesh as its API reaches into them. */
import { spawn } from "node:child_process";
import type { Result } from "../base/diagnostic.ts";
import { execCommand } from "../local/pod-processes.ts";
import { quote } from "../local/quote.ts";
import { logDirectories, readLogs } from "../local/read-logs.ts";
import type {
  PodAccess,
  PodCommand,
  PodContainer,
  PodProcess,
  TerminalSize,
} from "../sources/kube-api/pod-access.ts";
import { type ApiResult, badRequest, failed, succeeded } from "../sources/status.ts";

const PROXY = "istio-proxy";

/** `line`: how the mesh's own commands are called, e.g. `lateen --mesh two`. */
export function localPodAccess(stateDir: string, line: string): PodAccess {
  return {
    now: Date.now,
    logs: (of, options, signal) => {
      const found = logDirectories(stateDir, of);
      const names = found.map(({ container }) => container);
      const wanted = of.container ?? names.find(name => name !== PROXY) ?? names[0];
      const chosen = found.findLast(({ container }) => container === wanted);
      const waiting = `container "${wanted ?? ""}" in pod "${of.name}" is waiting to start`;
      if (chosen === undefined) return badRequest(waiting);
      const { tail, follow, previous, since, timestamps } = options;
      const pieces = readLogs(chosen.directory, {
        follow,
        previous,
        signal,
        ...(tail === undefined ? {} : { tail }),
        ...(since === undefined ? {} : { since }),
        ...(timestamps ? { timestamps: { now: Date.now } } : {}),
      });
      if (pieces.ok) return succeeded(pieces.value);
      const before = `previous terminated container "${wanted ?? ""}" in pod "${of.name}" not found`;
      return badRequest(previous ? before : waiting);
    },
    exec: (into, command) => exec(stateDir, into, command),
    forwardLine: ({ namespace, name }, ports) =>
      `${line} port-forward ${name} -n ${namespace} ${ports || "PORT"}`,
  };
}

/** Names the terminal on descriptor 3, so that its size can be set from outside. */
const ON_TERMINAL =
  'if command -v script >/dev/null; then [ -n "$TERM" ] || export TERM=xterm; ' +
  'export SHELL=/bin/sh; exec script -qefc "$1" /dev/null; fi; shift; exec "$@"';

async function exec(
  stateDir: string,
  into: PodContainer,
  { argv, terminal }: PodCommand,
): Promise<ApiResult<PodProcess>> {
  const inTerminal = `tty >&3; exec 3>&-; exec ${argv.map(quote).join(" ")}`;
  const wanted = terminal ? ["sh", "-c", ON_TERMINAL, "exec", inTerminal, ...argv] : argv;
  const command = await execCommand(stateDir, into, into.container, wanted);
  if (!command.ok) return notRunning(command);
  const { file, args, env } = command.value;
  const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe", "pipe"], detached: true });
  const exited = new Promise<number>(done => {
    child.on("error", () => done(126));
    child.on("close", (code, signal) => done(code ?? (signal === null ? 1 : 137)));
  });
  const sizes = new TerminalSizes(stateDir, into);
  const [, , , names] = child.stdio;
  names?.on("error", () => {});
  names?.on("data", (chunk: Buffer) => sizes.opened(chunk.toString("utf8")));
  return succeeded({
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    resize: size => sizes.set(size),
    kill: () => {
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      if (hasEnded || child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    },
  });
}

function notRunning(result: Extract<Result<unknown>, { ok: false }>): ApiResult<never> {
  return failed(400, "BadRequest", result.diagnostics.map(({ message }) => message).join("; "));
}

/** One change of the size at a time, the last one asked for next. */
class TerminalSizes {
  readonly #stateDir: string;
  readonly #into: PodContainer;
  #terminal: string | undefined;
  #next: TerminalSize | undefined;
  #running = false;

  constructor(stateDir: string, into: PodContainer) {
    this.#stateDir = stateDir;
    this.#into = into;
  }

  opened(name: string): void {
    this.#terminal ??= /^\/dev\/[\w/]+$/.exec(name.trim())?.[0];
    void this.#apply();
  }

  set(size: TerminalSize): void {
    this.#next = size;
    void this.#apply();
  }

  async #apply(): Promise<void> {
    const [terminal, size] = [this.#terminal, this.#next];
    if (this.#running || terminal === undefined || size === undefined) return;
    this.#running = true;
    this.#next = undefined;
    const sides = ["rows", String(size.rows), "cols", String(size.columns)];
    const argv = ["stty", "-F", terminal, ...sides];
    const command = await execCommand(this.#stateDir, this.#into, this.#into.container, argv);
    if (command.ok) {
      const { file, args, env } = command.value;
      await new Promise<void>(done => {
        const child = spawn(file, args, { env, stdio: "ignore" });
        child.on("error", () => done());
        child.on("exit", () => done());
      });
    }
    this.#running = false;
    void this.#apply();
  }
}
