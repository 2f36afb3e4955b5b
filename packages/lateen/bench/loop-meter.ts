/**
 * Loaded into the measured process by `--import`: how long its main thread was busy, and how much of
 * that it spent on collecting garbage. Answers each message of its parent with the figures so far.
 */
import { constants, PerformanceObserver, performance } from "node:perf_hooks";

export interface LoopUsage {
  /** The event loop was not waiting. */
  readonly busyMs: number;
  /** The main thread stood still for the collector; a part of `busyMs`. */
  readonly gcMs: number;
  /** Of `gcMs`, what the young generation took. */
  readonly scavengeMs: number;
  readonly scavenges: number;
}

/** What the types of perf_hooks leave out. */
interface Entry {
  readonly duration: number;
  readonly detail?: unknown;
}

let gcMs = 0;
let scavengeMs = 0;
let scavenges = 0;

const observer = new PerformanceObserver(list => take(list.getEntries()));
observer.observe({ entryTypes: ["gc"] });

function take(entries: readonly Entry[]): void {
  for (const { duration, detail } of entries) {
    gcMs += duration;
    if (kindOf(detail) !== constants.NODE_PERFORMANCE_GC_MINOR) continue;
    scavengeMs += duration;
    scavenges++;
  }
}

function kindOf(detail: unknown): unknown {
  return typeof detail === "object" && detail !== null && "kind" in detail
    ? detail.kind
    : undefined;
}

process.on("message", () => {
  take(observer.takeRecords());
  const { active } = performance.eventLoopUtilization();
  const usage: LoopUsage = { busyMs: active, gcMs, scavengeMs, scavenges };
  process.send?.(usage);
});
process.channel?.unref();
