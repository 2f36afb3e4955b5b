import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../base/diagnostic.ts";
import { logPath } from "./log-file.ts";
import { pause } from "./pause.ts";

export interface LogOptions {
  /** Of the start before the present one. */
  readonly previous?: boolean;
  /** Only the last lines; undefined: all. */
  readonly tail?: number;
  /** Goes on with what comes, until `signal` is aborted or the pod is gone. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

const CHUNK = 64 * 1024;
const POLL_MS = 200;

/** Containers of a pod that have a log, oldest pod of that name first. */
export function logDirectories(
  stateDir: string,
  pod: { readonly namespace: string; readonly name: string },
): readonly { readonly container: string; readonly directory: string }[] {
  const root = join(stateDir, "pods");
  const prefix = `${pod.namespace}_${pod.name}_`;
  return entries(root)
    .filter(name => name.startsWith(prefix))
    .sort((a, b) => statSync(join(root, a)).mtimeMs - statSync(join(root, b)).mtimeMs)
    .flatMap(name =>
      entries(join(root, name)).map(container => ({
        container,
        directory: join(root, name, container),
      })),
    );
}

/** A container's output in pieces. Fails where there is no such container, or no earlier start. */
export function readLogs(directory: string, options: LogOptions): Result<AsyncIterable<Buffer>> {
  const starts = startsIn(directory);
  const wanted = options.previous === true ? starts.at(-2) : starts.at(-1);
  if (wanted === undefined) {
    const what = options.previous === true ? "previous terminated container" : "output";
    return {
      ok: false,
      diagnostics: [
        { severity: "error", path: "", message: `there is no ${what}`, reason: "NoLog" },
      ],
    };
  }
  return { ok: true, value: pieces(directory, wanted, options), diagnostics: [] };
}

async function* pieces(
  directory: string,
  first: number,
  { tail, follow, signal }: LogOptions,
): AsyncGenerator<Buffer> {
  let start = first;
  let fd = openSync(logPath(directory, start), "r");
  let position = tail === undefined ? 0 : tailPosition(fd, tail);
  try {
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const read = readSync(fd, chunk, 0, CHUNK, position);
      position += read;
      if (read > 0) {
        yield chunk.subarray(0, read);
        continue;
      }
      if (follow !== true || signal?.aborted === true) return;
      const next = startsIn(directory).find(candidate => candidate > start);
      if (next !== undefined) {
        closeSync(fd);
        start = next;
        fd = openSync(logPath(directory, start), "r");
        position = 0;
        continue;
      }
      if (startsIn(directory).length === 0) return;
      // A log that was cut begins anew.
      if (statSync(logPath(directory, start)).size < position) position = 0;
      await pause(POLL_MS);
    }
  } finally {
    closeSync(fd);
  }
}

/** Where the last `lines` lines begin. */
function tailPosition(fd: number, lines: number): number {
  const size = sizeOf(fd);
  if (lines === 0) return size;
  let position = size;
  let found = 0;
  const chunk = Buffer.alloc(CHUNK);
  while (position > 0) {
    const length = Math.min(CHUNK, position);
    readSync(fd, chunk, 0, length, position - length);
    for (let i = length - 1; i >= 0; i--) {
      // The line break at the very end closes the last line.
      if (chunk[i] !== 10 || position - length + i === size - 1) continue;
      if (++found >= lines) return position - length + i + 1;
    }
    position -= length;
  }
  return 0;
}

function sizeOf(fd: number): number {
  return statSync(`/proc/self/fd/${fd}`).size;
}

function startsIn(directory: string): number[] {
  return entries(directory)
    .flatMap(name => /^(\d+)\.log$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
