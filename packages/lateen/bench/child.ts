/** Processes of a load test: started by us, watched through /proc, ended by their id. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { LoopUsage } from "./loop-meter.ts";
import { pause, request } from "./request.ts";

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

/** Linux counts CPU time in these, whatever the kernel was built with. */
const TICKS_PER_SECOND = 100;
const KILL_AFTER_MS = 5000;

/** Those that run: they must not outlive us, however we end. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => process.exit(1));
}

export function watched(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  return {
    cpuSeconds: ticks / TICKS_PER_SECOND,
    rssBytes: bytes("VmRSS"),
    peakRssBytes: bytes("VmHWM"),
  };
}

/** Ends it, by force where it does not go, and waits until it is gone. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  await gone;
  clearTimeout(force);
}

export interface ControlPlaneOptions {
  /** Arguments that say where the configuration comes from. */
  readonly source: readonly string[];
  /** xDS over TLS, where there is a CA; otherwise plaintext. */
  readonly tls?: boolean;
  /** Arguments of Node, e.g. `--cpu-prof`. */
  readonly nodeArgs: readonly string[];
  readonly onExit: (reason: string) => void;
}

export interface ControlPlane {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly xdsPort: number;
  /** From its start until it had read its configuration. */
  readonly readyMs: number;
  /** What its main thread has done since it started. */
  loopUsage(): Promise<LoopUsage>;
}

const METER = pathToFileURL(join(import.meta.dirname, "loop-meter.ts")).href;
const READY_WITHIN_MS = 120_000;

/** `lateen discovery`, once it has read its configuration. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const started = performance.now();
  const program = join(import.meta.dirname, "../bin/lateen.mjs");
  const any = "127.0.0.1:0";
  const xds = options.tls === true ? ["--grpc-addr", "", "--tls-addr", any] : ["--grpc-addr", any];
  const common = ["--http-addr", any, "--log-level", "warn"];
  const node = ["--import", METER, ...options.nodeArgs];
  const args = [...node, program, "discovery", ...xds, ...common, ...options.source];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  watched(child);
  child.on("exit", (code, signal) => options.onExit(`control plane: ${signal ?? code}`));
  const ports = await printedPorts(child);
  const until = started + READY_WITHIN_MS;
  while (!(await isReady(ports.http))) {
    if (performance.now() > until) throw new Error("the control plane does not get ready");
    await pause(20);
  }
  const readyMs = performance.now() - started;
  return {
    child,
    pid: child.pid ?? 0,
    xdsPort: ports.xds,
    readyMs,
    loopUsage: () => askMeter(child),
  };
}

async function askMeter(child: ChildProcess): Promise<LoopUsage> {
  const answered = once(child, "message");
  child.send("usage");
  const [usage] = await answered;
  return usage as LoopUsage;
}

async function isReady(port: number): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/ready`;
  const { status } = await request({ server: "the control plane", url });
  return status === 200;
}

function printedPorts(child: ChildProcess): Promise<{ xds: number; http: number }> {
  let text = "";
  return new Promise((done, fail) => {
    child.on("exit", () => fail(new Error("the control plane ended before it listened")));
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const xds = /xDS \((?:plaintext|TLS)\): (\d+)/.exec(text)?.[1];
      const http = /HTTP: (\d+)/.exec(text)?.[1];
      if (xds !== undefined && http !== undefined) done({ xds: Number(xds), http: Number(http) });
    });
  });
}

/** A helper of the bench (`file` beside this one); resolves with its first message. */
export async function startHelper<T>(
  file: string,
  given: unknown,
): Promise<{ readonly child: ChildProcess; readonly answer: T }> {
  const child = watched(fork(join(import.meta.dirname, file), { serialization: "advanced" }));
  const answered = once(child, "message");
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${file} ended with ${code}`);
  });
  child.send({ given });
  const [answer] = await Promise.race([answered, ended]);
  ended.catch(() => {});
  return { child, answer: answer as T };
}
