import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../base/diagnostic.ts";
import { logPath } from "./log-file.ts";
import { type LogMark, offsetSince, readTimes, timeAt } from "./log-times.ts";
import { pause } from "./pause.ts";

export interface LogOptions {
  /** Of the start before the present one. */
  readonly previous?: boolean;
  /** Only the last lines; undefined: all. */
  readonly tail?: number;
  /** Goes on with what comes, until `signal` is aborted or the pod is gone. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  /** Only what was written since then (milliseconds since the epoch), as far as that is known. */
  readonly since?: number;
  /** Each line gets the time at which it was seen first; `now` is that of lines that nobody saw yet. */
  readonly timestamps?: { readonly now: () => number };
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
  const found = pieces(directory, wanted, options);
  const { timestamps } = options;
  const value = timestamps === undefined ? plain(found) : timed(found, timestamps.now);
  return { ok: true, value, diagnostics: [] };
}

/** A part of a log, and where it stands in it. */
interface Piece {
  readonly log: string;
  readonly position: number;
  readonly data: Buffer;
}

async function* plain(pieces: AsyncIterable<Piece>): AsyncGenerator<Buffer> {
  for await (const { data } of pieces) yield data;
}

const NEWLINE = 10;

/** `2026-01-02T03:04:05.678Z line`, as the kubelet puts them. */
async function* timed(pieces: AsyncIterable<Piece>, now: () => number): AsyncGenerator<Buffer> {
  let atLineStart = true;
  for await (const { log, position, data } of pieces) {
    const marks = readTimes(log);
    const parts: Buffer[] = [];
    for (let from = 0; from < data.length; ) {
      if (atLineStart) parts.push(stamp(marks, position + from, now));
      const newline = data.indexOf(NEWLINE, from);
      const end = newline < 0 ? data.length : newline + 1;
      parts.push(data.subarray(from, end));
      atLineStart = newline >= 0;
      from = end;
    }
    yield Buffer.concat(parts);
  }
}

function stamp(marks: readonly LogMark[], offset: number, now: () => number): Buffer {
  return Buffer.from(`${new Date(timeAt(marks, offset) ?? now()).toISOString()} `);
}

async function* pieces(
  directory: string,
  first: number,
  { tail, follow, signal, since }: LogOptions,
): AsyncGenerator<Piece> {
  let start = first;
  let log = logPath(directory, start);
  let fd = openSync(log, "r");
  let position = Math.max(
    tail === undefined ? 0 : tailPosition(fd, tail),
    since === undefined ? 0 : offsetSince(readTimes(log), since),
  );
  try {
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const read = readSync(fd, chunk, 0, CHUNK, position);
      position += read;
      if (read > 0) {
        yield { log, position: position - read, data: chunk.subarray(0, read) };
        continue;
      }
      if (follow !== true || signal?.aborted === true) return;
      const next = startsIn(directory).find(candidate => candidate > start);
      if (next !== undefined) {
        closeSync(fd);
        start = next;
        log = logPath(directory, start);
        fd = openSync(log, "r");
        position = 0;
        continue;
      }
      if (startsIn(directory).length === 0) return;
      // A log that was cut begins anew.
      if (statSync(log).size < position) position = 0;
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
