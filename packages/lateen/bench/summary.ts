/** The figures to beat, side by side: one table over all scenarios of a run. */
import type { Changed } from "./fleet.ts";
import { aligned, megabytes, time } from "./report.ts";
import type { ScenarioResult } from "./scenario.ts";
import { isOwnSize, type ScenarioName } from "./scenario-sizes.ts";
import { type SidecarCost, tcpListenerBytes } from "./sidecar-cost.ts";

/** Of Istio (August 2026) on an idle two-core machine, measured once on 2026-11-30. */
interface Line {
  readonly what: string;
  readonly of: ScenarioName;
  readonly reference: string;
  readonly goal: string;
  ours(result: ScenarioResult): string | undefined;
}

const CONFIGURED_SCOPED = "the same with one Sidecar object a namespace (./*)";
const DEBOUNCED = "153-164 ms (100 ms of it a fixed debounce), 0.93 MB";

const LINES: readonly Line[] = [
  {
    what: "all 200 configured, no Sidecar objects",
    of: "tcp",
    reference: "22.6 s, 1.38 GB, 51 s of CPU, peak 1.30 GB",
    goal: "3.5 s, 1.1 GB, peak 0.3 GB",
    ours: configured,
  },
  {
    what: CONFIGURED_SCOPED,
    of: "tcp-scoped",
    reference: "2.3 s, 142 MB, peak 523 MB",
    goal: "0.8 s, 115 MB, peak 160 MB",
    ours: configured,
  },
  {
    what: "2,000 sidecars, so scoped",
    of: "tcp-2000",
    reference: "24.3 s, 1.42 GB, 37 s of CPU, peak 1.05 GB",
    goal: "4 s, 1.2 GB, peak 0.3 GB",
    ours: configured,
  },
  {
    what: "one endpoint changes, until the last of 200 has it",
    of: "tcp",
    reference: DEBOUNCED,
    goal: "15 ms, 0.88 MB",
    ours: result => changed(result.endpointChange, result.floor?.endpointChangeMs),
  },
  {
    what: "one weight changes in one VirtualService",
    of: "tcp",
    reference: "2.2-2.4 s, 172 MB, three pushes a proxy",
    goal: "12 ms",
    ours: result => changed(result.routeChange, result.floor?.routeChangeMs),
  },
  {
    what: "the endpoint, scoped (20 proxies)",
    of: "tcp-scoped",
    reference: "109-113 ms, 93 KB",
    goal: "88 KB",
    ours: result => changed(result.endpointChange, result.floor?.endpointChangeMs),
  },
  {
    what: "the weight, scoped (20 proxies)",
    of: "tcp-scoped",
    reference: "128-139 ms, 2.1 MB",
    goal: "",
    ours: result => changed(result.routeChange, result.floor?.routeChangeMs),
  },
  {
    what: "before the first proxy",
    of: "tcp",
    reference: "152 MB",
    goal: "120 MB",
    ours: result => megabytes(result.idleRssBytes),
  },
  {
    what: "10,000 sidecars, so scoped",
    of: "tcp-10000",
    reference: "not run",
    goal: "40 s, peak 0.6 GB",
    ours: configured,
  },
  {
    what: "one endpoint changes for 1,000 of them",
    of: "tcp-10000",
    reference: "not run",
    goal: "",
    ours: result => changed(result.endpointChange, result.floor?.endpointChangeMs),
  },
];

/** Empty where none of its scenarios was run at its own size. */
export function summaryLines(
  results: readonly ScenarioResult[],
  sidecar: SidecarCost | undefined,
): string[] {
  const rows = LINES.flatMap(({ what, of, reference, goal, ours }) => {
    const result = results.find(each => each.name === of && isOwnSize(each.name, each.size));
    const text = result && ours(result);
    return text === undefined ? [] : [[what, reference, text, goal]];
  });
  if (sidecar !== undefined)
    rows.push([
      "the listener of a TCP service, in a sidecar's memory",
      "",
      megabytes(tcpListenerBytes(sidecar)),
      "40 KB (28 KB is a bare one)",
    ]);
  if (rows.length === 0) return [];
  const head = ["", "reference", "ours (over the floor of this run)", "ours should be"];
  return ["", "services with an HTTP and a TCP port:", ...aligned([head, ...rows])];
}

function configured(result: ScenarioResult): string {
  const { ms, bytes } = result.configured;
  const took = overFloor(ms, result.floor?.configuredMs);
  const cpu = `${result.cpuSeconds.toFixed(1)} s of CPU`;
  return `${took}, ${megabytes(bytes)}, ${cpu}, peak ${megabytes(result.peakRssBytes)}`;
}

function changed(change: Changed | undefined, floorMs: number | undefined): string | undefined {
  if (change === undefined) return undefined;
  const { lastMs, bytes, pushes, proxies } = change;
  const each = pushes === proxies ? "one push a proxy" : `${pushes} pushes to ${proxies}`;
  return `${overFloor(lastMs, floorMs)}, ${megabytes(bytes)}, ${each}`;
}

function overFloor(ms: number, floorMs: number | undefined): string {
  return floorMs === undefined ? time(ms) : `${time(ms)} (x${(ms / floorMs).toFixed(1)})`;
}
