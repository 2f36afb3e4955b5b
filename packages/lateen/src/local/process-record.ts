import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { bootId, isAlive, type ProcessId, startTimeOf } from "./proc.ts";

/** What a process of ours is. */
export interface RecordedProcess extends ProcessId {
  /** e.g. `node`, `pod default/sleep-0`, `default/sleep-0 istio-proxy`. */
  readonly role: string;
  /** It holds namespaces that others of ours enter. */
  readonly sandbox: boolean;
}

export interface RecordHeader {
  /** In the environment of every process that was started, as `LATEEN_INSTANCE=...`. */
  readonly instance: string;
  readonly boot: string;
  readonly owner: ProcessId;
  /** Our network interface on the host, once there is one. */
  readonly hostInterface?: string;
}

export interface RecordContent {
  readonly header: RecordHeader;
  readonly processes: readonly RecordedProcess[];
}

export const INSTANCE_VARIABLE = "LATEEN_INSTANCE";

/** The record of the mesh with this state folder. */
export function recordPath(stateDir: string): string {
  return join(stateDir, "processes.jsonl");
}

/** Lines after which ended processes are dropped from the file. */
const COMPACT_AFTER = 2000;

/**
 * The file that says which processes are ours. A line is in it before its process runs anything of
 * ours, so that whatever happens to this process, the next one can end what was left.
 */
export class ProcessRecord {
  readonly path: string;
  #header: RecordHeader;
  #closed = false;
  #processes: RecordedProcess[] = [];

  constructor(path: string, instance: string) {
    this.path = path;
    const owner = { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" };
    this.#header = { instance, boot: bootId(), owner };
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#rewrite();
  }

  get instance(): string {
    return this.#header.instance;
  }

  /** `NAME=value` in the environment of all our processes. */
  get marker(): string {
    return markerOf(this.#header);
  }

  get content(): RecordContent {
    return { header: this.#header, processes: this.#processes };
  }

  setHostInterface(hostInterface: string): void {
    this.#header = { ...this.#header, hostInterface };
    this.#rewrite();
  }

  add(entry: RecordedProcess): void {
    this.#processes.push(entry);
    appendFileSync(this.path, `${JSON.stringify(entry)}\n`);
    if (this.#processes.length > COMPACT_AFTER) {
      this.#processes = this.#processes.filter(isAlive);
      this.#rewrite();
    }
  }

  /** True: everything is being ended, nothing may be started any more. */
  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
  }

  /** Nothing is left that it would be needed for. */
  remove(): void {
    rmSync(this.path, { force: true });
  }

  #rewrite(): void {
    const lines = [this.#header, ...this.#processes].map(entry => JSON.stringify(entry));
    const next = `${this.path}.new`;
    try {
      writeFileSync(next, `${lines.join("\n")}\n`, { mode: 0o600 });
    } catch (error) {
      rmSync(next, { force: true });
      throw error;
    }
    renameSync(next, this.path);
  }
}

export function markerOf(header: RecordHeader): string {
  return `${INSTANCE_VARIABLE}=${header.instance}`;
}

/** What an earlier process recorded; undefined when there is no usable record. */
export function readRecord(path: string): RecordContent | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  const [first, ...rest] = text.split("\n").filter(line => line !== "");
  const header = first === undefined ? undefined : parseHeader(first);
  if (header === undefined) return undefined;
  return { header, processes: rest.flatMap(parseProcess) };
}

function parseHeader(line: string): RecordHeader | undefined {
  const entry = parseObject(line);
  const owner = entry["owner"];
  const instance = text(entry["instance"]);
  const boot = text(entry["boot"]);
  const ownerId = typeof owner === "object" && owner !== null ? processId(owner) : undefined;
  if (instance === "" || boot === "" || ownerId === undefined) return undefined;
  const hostInterface = text(entry["hostInterface"]);
  return { instance, boot, owner: ownerId, ...(hostInterface === "" ? {} : { hostInterface }) };
}

/** The last line may be cut short: the process it was about never ran. */
function parseProcess(line: string): RecordedProcess[] {
  const entry = parseObject(line);
  const id = processId(entry);
  if (id === undefined) return [];
  return [{ ...id, role: text(entry["role"]), sandbox: entry["sandbox"] === true }];
}

function parseObject(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function processId(entry: object): ProcessId | undefined {
  const { pid, startTime } = { pid: 0, startTime: "", ...entry };
  const valid = Number.isInteger(pid) && pid > 1 && typeof startTime === "string";
  return valid && startTime !== "" ? { pid, startTime } : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
