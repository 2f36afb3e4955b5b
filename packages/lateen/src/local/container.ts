import type { Container } from "../api/pod/container.ts";
import type { Clock } from "../base/clock.ts";
import type { CommandResult } from "./container-command.ts";
import {
  type ContainerCommand,
  type ContainerProcess,
  containerMarker,
  launchContainer,
} from "./container-process.ts";
import type { LogFile } from "./log-file.ts";
import { killAll, processesIn } from "./proc.ts";
import type { Exit } from "./process.ts";
import type { ProcessRecord } from "./process-record.ts";
import { startProblem } from "./start-problem.ts";

export type ContainerState =
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "running"; readonly startedAt: number; readonly pid: number }
  | {
      readonly kind: "terminated";
      readonly exitCode: number;
      readonly signal: number;
      readonly reason: string;
      readonly message?: string;
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
  /** What is known of why it failed, beside its exit code. */
  explain(): string | undefined;
  /** Something that a person may look for: reason and message as in the kubelet's Events. */
  tell(type: "Normal" | "Warning", reason: string, message: string): void;
}

/** Kubernetes: the first restart at once, then 10 s doubling up to 5 min, forgotten after 10 min. */
export interface BackOff {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly forgetMs: number;
}

interface Started {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly monotonic: number;
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
  #saidStandIn = false;
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

  /** To be called each second; `rotate`: now and then. */
  checkLog(rotate: boolean): void {
    if (rotate) this.#options.log.rotate();
    this.#options.log.noteTime(this.#options.clock.now());
  }

  /** What goes wrong ends in its state, and it is tried again; never rejects. */
  async start(): Promise<void> {
    if (this.#stopping) return;
    const resolved = this.#options.command();
    if (!resolved.ok) {
      this.#wait(resolved.reason, resolved.message);
      return;
    }
    if (resolved.standIn) this.#tellStandIn(resolved.command);
    try {
      await this.#launch(resolved.command);
    } catch (error) {
      this.#wait("RunContainerError", error instanceof Error ? error.message : String(error));
    }
  }

  /** Once: whoever looks at the pod should not take it for the image's own program. */
  #tellStandIn({ argv }: ContainerCommand): void {
    if (this.#saidStandIn) return;
    this.#saidStandIn = true;
    const program = argv.find(word => word.includes("/")) ?? this.name;
    this.#options.tell(
      "Normal",
      "StandIn",
      `Images are not run in a local mesh: ${program} answers in place of ${this.spec.image ?? ""}`,
    );
  }

  /** It can not be started as things are. */
  #wait(reason: string, message: string): void {
    this.#options.tell("Warning", "Failed", `Error: ${message}`);
    this.#set({ kind: "waiting", reason, message });
    this.#again(Math.min(5000, this.#options.backOff.firstMs), () => {});
  }

  async #launch(command: ContainerCommand): Promise<void> {
    const { clock, log, record, podKey } = this.#options;
    const fd = log.open(this.#restarts, command.user.uid);
    const started = { at: clock.now(), monotonic: clock.monotonic() };
    const sandboxPid = this.#options.sandboxPid();
    const process = await launchContainer(record, sandboxPid, command, this.#marker, {
      role: `${podKey} ${this.name}`,
      stdout: fd,
      stderr: fd,
    });
    this.#process = process;
    this.#set({ kind: "running", startedAt: started.at, pid: process.pid });
    void process.exited.then(exit => this.#onExit(command, started, exit));
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

  #onExit(command: ContainerCommand, started: Started, exit: Exit): void {
    // What it has started ends with it, also in process groups of its own.
    killAll(processesIn(new Set(), this.#marker));
    const { clock } = this.#options;
    this.#process = undefined;
    this.#state = this.#ended(command, started.at, clock.now(), exit);
    if (!this.#stopping && this.#restartsAfter())
      this.#restartAfter(clock.monotonic() - started.monotonic);
    this.#options.onChange();
  }

  #ended(
    command: ContainerCommand,
    startedAt: number,
    finishedAt: number,
    exit: Exit,
  ): ContainerState & { readonly kind: "terminated" } {
    const times = { startedAt, finishedAt };
    const why = exit.signal === null ? startProblem(command, exit.code, this.#lastLine) : undefined;
    if (why !== undefined && !this.#stopping) {
      this.#options.tell("Warning", "Failed", `Error: ${why}`);
      const failed = { exitCode: 128, signal: 0, reason: "StartError", message: why } as const;
      return { kind: "terminated", ...failed, ...times };
    }
    const signal = exit.signal === null ? 0 : (SIGNAL_NUMBERS[exit.signal] ?? 0);
    const exitCode = signal === 0 ? exit.code : 128 + signal;
    if (exitCode === 0)
      return { kind: "terminated", exitCode, signal, reason: "Completed", ...times };
    const message = this.#stopping ? undefined : this.#options.explain();
    if (message !== undefined) this.#options.tell("Warning", "Failed", `Error: ${message}`);
    const more = message === undefined ? {} : { message };
    return { kind: "terminated", exitCode, signal, reason: "Error", ...more, ...times };
  }

  get #lastLine(): string {
    return this.#options.log.lastLine();
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
    if (waitMs > 0) {
      const pod = podText(this.#options);
      this.#options.tell(
        "Warning",
        "BackOff",
        `Back-off restarting failed container ${this.name} in pod ${pod}`,
      );
      const back = `back-off ${Math.round(waitMs / 1000)}s`;
      const message = `${back} restarting failed container=${this.name} pod=${pod}`;
      this.#state = { kind: "waiting", reason: "CrashLoopBackOff", message };
    }
    this.#again(waitMs, () => this.#restarts++);
  }

  #again(waitMs: number, before: () => void): void {
    this.#cancelRestart = this.#options.clock.after(waitMs, () => {
      if (this.#stopping) return;
      before();
      void this.start();
    });
  }

  #set(state: ContainerState): void {
    this.#state = state;
    this.#options.onChange();
  }
}

/** As the kubelet names a pod in messages. */
function podText({ podKey, podUid }: ContainerOptions): string {
  const [namespace, name] = podKey.split("/");
  return `${name}_${namespace}(${podUid})`;
}
