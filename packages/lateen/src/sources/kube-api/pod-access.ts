/** How the API reaches into pods that run: what `kubectl logs`, `exec` and `cp` ask for. */
import type { Readable, Writable } from "node:stream";
import type { ApiResult } from "../status.ts";

export interface PodContainer {
  readonly namespace: string;
  readonly name: string;
  /** undefined: the application's first one. */
  readonly container: string | undefined;
}

export interface PodLogOptions {
  readonly previous: boolean;
  readonly follow: boolean;
  /** Only the last lines; undefined: all. */
  readonly tail: number | undefined;
  /** Only what was written since then (milliseconds since the epoch). */
  readonly since: number | undefined;
  /** Each line with its time. */
  readonly timestamps: boolean;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface PodCommand {
  readonly argv: readonly string[];
  /** It has a terminal of its own; its errors come with its output then. */
  readonly terminal: boolean;
}

export interface PodProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Its exit code, once all that it printed can be read. */
  readonly exited: Promise<number>;
  /** Of its terminal. */
  resize(size: TerminalSize): void;
  /** Ends it; it may have ended. */
  kill(): void;
}

export interface PodAccess {
  /** Milliseconds since the epoch. */
  now(): number;
  logs(
    of: PodContainer,
    options: PodLogOptions,
    signal: AbortSignal,
  ): ApiResult<AsyncIterable<Uint8Array>>;
  exec(into: PodContainer, command: PodCommand): Promise<ApiResult<PodProcess>>;
  /** The line of our own that forwards a port of the pod, for those who ask kubectl to. */
  forwardLine(pod: Pick<PodContainer, "namespace" | "name">, ports: string): string;
}
