import type { Container } from "../api/pod/container.ts";
import type { Clock } from "../base/clock.ts";
import type { CommandResult } from "./container-command.ts";
import { type ContainerProcess, containerMarker, launchContainer } from "./container-process.ts";
import type { LogFile } from "./log-file.ts";
import { killAll, processesIn } from "./proc.ts";
import type { Exit } from "./process.ts";
import type { ProcessRecord } from "./process-record.ts";

export type ContainerState =
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "running"; readonly startedAt: number; readonly pid: number }
  | {
      readonly kind: "terminated";
      readonly exitCode: number;
      readonly signal: number;
      readonly reason: string;
      readonly startedAt: number;
      readonly finishedAt: number;
    };

export interface ContainerOptions {
  readonly spec: Container;
  /** `namespace/name`. */
  readonly podKey: string;
  readonly podUid: string;
  readonly restartPolicy: "Always" | "OnFailure" | "Never";
  readonly record: ProcessRecord;
  readonly clock: Clock;
  readonly log: LogFile;
  readonly backOff: BackOff;
  sandboxPid(): number;
  /** Resolved anew for each start: ConfigMaps change. */
  command(): CommandResult;
  /** After every change of state. */
  onChange(): void;
}

/** Kubernetes: the first restart at once, then 10 s doubling up to 5 min, forgotten after 10 min. */
export interface BackOff {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly forgetMs: number;
}

export const kubernetesBackOff: BackOff = { firstMs: 10_000, maxMs: 300_000, forgetMs: 600_000 };

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGTERM: 15, SIGKILL: 9, SIGINT: 2 };

/** One container of a pod: its process, started again as the restart policy says. */
export class RunningContainer {
  readonly name: string;
  readonly spec: Container;
  readonly #options: ContainerOptions;
  #process: ContainerProcess | undefined;
  #state: ContainerState = { kind: "waiting", reason: "ContainerCreating", message: "" };
  #lastState: ContainerState | undefined;
  #restarts = 0;
  #crashes = 0;
  #stopping = false;
  #cancelRestart: () => void = () => {};

  constructor(options: ContainerOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.name = options.spec.name;
  }

  get #marker(): string {
    return containerMarker(this.#options.podUid, this.name);
  }

  get state(): ContainerState {
    return this.#state;
  }

  get lastState(): ContainerState | undefined {
    return this.#lastState;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get running(): boolean {
    return this.#state.kind === "running";
  }

  /** It has ended and will not be started again. */
  get finished(): boolean {
    return this.#state.kind === "terminated" && (this.#stopping || !this.#restartsAfter());
  }

  get succeeded(): boolean {
    return this.#state.kind === "terminated" && this.#state.exitCode === 0;
  }

  rotateLog(): void {
    this.#options.log.rotate();
  }

  async start(): Promise<void> {
    if (this.#stopping) return;
    const { clock, log, record, podKey } = this.#options;
    const resolved = this.#options.command();
    if (!resolved.ok) {
      this.#set({ kind: "waiting", reason: resolved.reason, message: resolved.message });
      this.#retryLater();
      return;
    }
    const { command } = resolved;
    const fd = log.open(this.#restarts, command.user.uid);
    const started = clock.now();
    const sandboxPid = this.#options.sandboxPid();
    const process = await launchContainer(record, sandboxPid, command, this.#marker, {
      role: `${podKey} ${this.name}`,
      stdout: fd,
      stderr: fd,
    });
    this.#process = process;
    this.#set({ kind: "running", startedAt: started, pid: process.pid });
    void process.exited.then(exit => this.#onExit(started, exit));
    if (this.#stopping) process.signal("SIGTERM");
  }

  /** Ends it for good: SIGTERM, and SIGKILL after the grace period. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#cancelRestart();
    await this.#end(graceMs);
    if (this.#state.kind === "waiting" && this.#lastState !== undefined) this.#set(this.#lastState);
  }

  /** Ends the process; the restart policy decides what follows (liveness). */
  async restart(graceMs: number): Promise<void> {
    await this.#end(graceMs);
  }

  async #end(graceMs: number): Promise<void> {
    const process = this.#process;
    if (process === undefined || process.exit !== undefined) return;
    process.signal("SIGTERM");
    const cancel = this.#options.clock.after(graceMs, () => process.signal("SIGKILL"));
    await process.exited;
    cancel();
  }

  #onExit(startedAt: number, exit: Exit): void {
    // What it has started ends with it, also in process groups of its own.
    killAll(processesIn(new Set(), this.#marker));
    const signal = exit.signal === null ? 0 : (SIGNAL_NUMBERS[exit.signal] ?? 0);
    const exitCode = signal === 0 ? exit.code : 128 + signal;
    const finishedAt = this.#options.clock.now();
    const reason = exitCode === 0 ? "Completed" : "Error";
    const ended = { kind: "terminated", exitCode, signal, reason, startedAt, finishedAt } as const;
    this.#process = undefined;
    this.#state = ended;
    if (!this.#stopping && this.#restartsAfter()) this.#restartAfter(finishedAt - startedAt);
    this.#options.onChange();
  }

  #restartsAfter(): boolean {
    const policy = this.#options.restartPolicy;
    return policy === "Always" || (policy === "OnFailure" && !this.succeeded);
  }

  #restartAfter(ranMs: number): void {
    const { firstMs, maxMs, forgetMs } = this.#options.backOff;
    if (ranMs >= forgetMs) this.#crashes = 0;
    const waitMs = this.#crashes === 0 ? 0 : Math.min(maxMs, firstMs * 2 ** (this.#crashes - 1));
    this.#crashes++;
    this.#lastState = this.#state;
    if (waitMs > 0)
      this.#state = {
        kind: "waiting",
        reason: "CrashLoopBackOff",
        message:
          `back-off ${Math.round(waitMs / 1000)}s restarting failed container=${this.name} ` +
          `pod=${this.#options.podKey}`,
      };
    this.#again(waitMs, () => this.#restarts++);
  }

  #retryLater(): void {
    this.#again(Math.min(5000, this.#options.backOff.firstMs), () => {});
  }

  #again(waitMs: number, before: () => void): void {
    this.#cancelRestart = this.#options.clock.after(waitMs, () => {
      if (this.#stopping) return;
      before();
      this.start().catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        this.#set({ kind: "waiting", reason: "RunContainerError", message });
        this.#retryLater();
      });
    });
  }

  #set(state: ContainerState): void {
    this.#state = state;
    this.#options.onChange();
  }
}
