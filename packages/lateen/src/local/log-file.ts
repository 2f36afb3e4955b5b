import {
  chownSync,
  closeSync,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { LogTimes, timesPath } from "./log-times.ts";

/** A log is cut when it is longer than this; what was before is kept once, as `.1`. */
const MAX_LOG_BYTES = 10 << 20;
const MAX_LINE_BYTES = 4096;

/**
 * A container's output: one file for each start, the last two kept. The program writes to the file
 * itself; nothing of ours is in between, and its output goes on when we are gone.
 */
export class LogFile {
  readonly directory: string;
  #fd: number | undefined;
  #path: string | undefined;
  #times: LogTimes | undefined;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  }

  /** Opens the file of start number `restart`; its owner may open it again as /dev/stdout. */
  open(restart: number, uid: number): number {
    this.close();
    rmSync(logPath(this.directory, restart - 2), { force: true });
    rmSync(`${logPath(this.directory, restart - 2)}.1`, { force: true });
    rmSync(timesPath(logPath(this.directory, restart - 2)), { force: true });
    this.#path = logPath(this.directory, restart);
    this.#fd = openSync(this.#path, "a", 0o640);
    if (uid !== 0) chownSync(this.#path, uid, 0);
    this.#times = new LogTimes(this.#path);
    return this.#fd;
  }

  /**
   * To be called now and then. Appending programs go on at the new end. Where there is no room for
   * what was before, it is lost: a full disk must not end the mesh, and this frees some of it.
   */
  rotate(): void {
    if (this.#fd !== undefined && this.#path !== undefined) rotateLog(this.#path, this.#fd);
  }

  /** To be called each second or so, for who asks what was written since when. Never throws. */
  noteTime(now: number): void {
    try {
      if (this.#fd !== undefined) this.#times?.note(fstatSync(this.#fd).size, now);
    } catch {
      // A full disk costs the times, not the mesh.
    }
  }

  /** Of what was written last; empty where there is nothing. */
  lastLine(): string {
    if (this.#path === undefined) return "";
    try {
      return lastLineOf(this.#path);
    } catch {
      return "";
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** Cuts a log that is too long; `fd` is open for writing. What writes to it must append. */
export function rotateLog(path: string, fd: number, maxBytes: number = MAX_LOG_BYTES): void {
  if (fstatSync(fd).size <= maxBytes) return;
  keepFormer(path);
  ftruncateSync(fd, 0);
}

function lastLineOf(path: string): string {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, MAX_LINE_BYTES));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8").trimEnd().split("\n").at(-1) ?? "";
  } finally {
    closeSync(file);
  }
}

function keepFormer(path: string): void {
  const former = `${path}.1`;
  try {
    copyFileSync(path, former);
  } catch {
    rmSync(former, { recursive: true, force: true });
  }
}

export function logPath(directory: string, restart: number): string {
  return join(directory, `${restart}.log`);
}
