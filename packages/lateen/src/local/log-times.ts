/**
 * When a log was written, beside it: programs write their logs themselves, so what is known is how long
 * the file was each time somebody looked. A line counts as written when it was first seen.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";

/** Bytes before `end` had been written at `at` (milliseconds since the epoch). */
export interface LogMark {
  readonly end: number;
  readonly at: number;
}

/** Some 10,000 marks; then every second one goes, and times become coarser. */
const MAX_BYTES = 256 * 1024;

export class LogTimes {
  readonly #path: string;
  #end = 0;

  /** @param log path of the log */
  constructor(log: string) {
    this.#path = timesPath(log);
    this.#end = readTimes(log).at(-1)?.end ?? 0;
  }

  /** The log is `size` bytes long. A log that was cut begins anew. */
  note(size: number, now: number): void {
    if (size < this.#end) rmSync(this.#path, { force: true });
    if (size === this.#end) return;
    this.#end = size;
    if (size === 0) return;
    appendFileSync(this.#path, `${size} ${now}\n`, { mode: 0o640 });
    if (statSync(this.#path).size > MAX_BYTES) this.#thin();
  }

  #thin(): void {
    const lines = readFileSync(this.#path, "utf8").trimEnd().split("\n");
    const kept = lines.filter((_, index) => index % 2 === (lines.length - 1) % 2);
    writeFileSync(this.#path, `${kept.join("\n")}\n`, { mode: 0o640 });
  }
}

export function timesPath(log: string): string {
  return `${log}.times`;
}

/** Ascending; empty where nobody looked yet. */
export function readTimes(log: string): readonly LogMark[] {
  const path = timesPath(log);
  if (!existsSync(path)) return [];
  const marks = readFileSync(path, "utf8")
    .split("\n")
    .map(line => /^(\d+) (\d+)$/.exec(line))
    .flatMap(found => (found === null ? [] : [{ end: Number(found[1]), at: Number(found[2]) }]));
  return marks;
}

/** Where what was written since `since` begins. */
export function offsetSince(marks: readonly LogMark[], since: number): number {
  return marks.findLast(mark => mark.at < since)?.end ?? 0;
}

/** When the byte at `offset` was seen first; undefined: later than anybody looked. */
export function timeAt(marks: readonly LogMark[], offset: number): number | undefined {
  // Marks ascend, and lines are asked for in their order.
  let [low, high] = [0, marks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((marks[middle]?.end ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return marks[low]?.at;
}
