/** The control plane as a child of `lateen up`: started again, with back-off, whenever it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../base/log.ts";
import { rotateLog } from "../local/log-file.ts";

export interface ControlPlaneOptions {
  readonly apiUrl: string;
  readonly tokenFile: string;
  readonly caFile: string;
  readonly plaintext: string;
  readonly tls: readonly string[];
  readonly http: readonly string[];
  readonly stateDir: string;
  readonly logFile: string;
  readonly instance: string;
  readonly certificateLifetimeSeconds: number | undefined;
  /** Its environment; marked as this mesh's, so that it is found when the supervisor has crashed. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

const program = join(import.meta.dirname, "../../bin/lateen.mjs");
const BACK_OFF_MS_MIN = 100;
const BACK_OFF_MS_MAX = 10_000;
/** One that ran this long is taken for well. */
const HEALTHY_MS = 10_000;
const STOP_GRACE_MS = 5_000;
/** How often it is looked whether its log has become too long. */
const ROTATE_EVERY_MS = 10_000;

export class ControlPlaneProcess {
  readonly #options: ControlPlaneOptions;
  #child: ChildProcess | undefined;
  #backOffMs = BACK_OFF_MS_MIN;
  #timer: NodeJS.Timeout | undefined;
  #rotation: NodeJS.Timeout | undefined;
  #stopping = false;
  #ends = 0;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
  }

  /** How often it has ended so far. */
  get ends(): number {
    return this.#ends;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Throws where its log can not be written, at its first start only. */
  start(): void {
    this.#rotation ??= setInterval(() => this.rotateLog(), ROTATE_EVERY_MS).unref();
    this.#spawn(openSync(this.#options.logFile, "a", 0o600));
  }

  /** A full disk is no reason to end the mesh: it is tried again, as an end would be. */
  #startAgain(): void {
    try {
      this.start();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#options.log.error("the control plane did not start", { error: text });
      this.#onExit(null, null, performance.now());
    }
  }

  #spawn(output: number): void {
    const { log } = this.#options;
    const startedAt = performance.now();
    const child = spawn(process.execPath, [program, ...this.#arguments()], {
      stdio: ["ignore", output, output],
      // A process group of its own: Ctrl-C in the terminal is for the supervisor, which ends it last.
      detached: true,
      env: this.#options.env,
    });
    closeSync(output);
    this.#child = child;
    child.on("error", error => {
      log.error("the control plane did not start", { error: error.message });
      // What never ran does not end either.
      if (child.pid === undefined) this.#onExit(null, null, startedAt);
    });
    child.on("exit", (code, signal) => this.#onExit(code, signal, startedAt));
  }

  /** Its log grows with what outsiders do. It appends, and goes on at the new end. */
  rotateLog(maxBytes?: number): void {
    const { logFile, log } = this.#options;
    try {
      const fd = openSync(logFile, "r+");
      try {
        rotateLog(logFile, fd, maxBytes);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      log.warn("the control plane's log is not cut", { logFile, error: String(error) });
    }
  }

  #arguments(): string[] {
    const o = this.#options;
    return [
      "discovery",
      ...["--api-server", o.apiUrl, "--token-file", o.tokenFile, "--ca-file", o.caFile],
      ...["--grpc-addr", o.plaintext],
      ...o.tls.flatMap(each => ["--tls-addr", each]),
      ...o.http.flatMap(each => ["--http-addr", each]),
      ...["--state-dir", o.stateDir, "--instance", o.instance],
      ...(o.certificateLifetimeSeconds === undefined
        ? []
        : ["--certificate-lifetime", String(o.certificateLifetimeSeconds)]),
    ];
  }

  #onExit(code: number | null, signal: string | null, startedAt: number): void {
    this.#child = undefined;
    this.#ends++;
    if (this.#stopping) return;
    if (performance.now() - startedAt > HEALTHY_MS) this.#backOffMs = BACK_OFF_MS_MIN;
    this.#options.log.warn("the control plane ended and is started again", {
      code: code ?? undefined,
      signal: signal ?? undefined,
      inMs: this.#backOffMs,
      log: this.#options.logFile,
    });
    this.#timer = setTimeout(() => this.#startAgain(), this.#backOffMs);
    this.#backOffMs = Math.min(this.#backOffMs * 2, BACK_OFF_MS_MAX);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    clearInterval(this.#rotation);
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise(done => child.once("exit", done));
    child.kill("SIGTERM");
    const cut = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
    await ended;
    clearTimeout(cut);
  }
}
