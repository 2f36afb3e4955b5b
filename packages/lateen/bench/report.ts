/** The figures of a run as a table beside the reference's and the floor's. */
import type { Changed } from "./fleet.ts";
import type { LoadSize } from "./load.ts";
import type { LoopUsage } from "./loop-meter.ts";
import { type FigureName, references } from "./reference.ts";
import type { ScenarioResult } from "./scenario.ts";
import { isOwnSize } from "./scenario-sizes.ts";

interface Row {
  readonly what: string;
  readonly ours: string;
  readonly floor: string;
  readonly reference: string;
  readonly target: string;
}

const LEGEND = [
  "floor: a server that only replays what was sent, to the same clients; " +
    "reference: Istio's control plane with this load; target: what ours should need",
];

export function reportLines(result: ScenarioResult): string[] {
  const { size, name, source } = result;
  const scope = size.scoped ? ", one Sidecar object a namespace" : "";
  const title =
    `${name}: ${size.proxies} proxies, ${size.services} services (${portsOf(size)}) of ` +
    `${size.endpoints} endpoints, ${size.namespaces} namespaces${scope}, configuration from ${source}`;
  const failed = result.failure === undefined ? [] : [`FAILED at ${result.failure}`];
  return ["", title, ...LEGEND, ...table(rowsOf(result)), ...details(result), ...failed];
}

function portsOf({ tcp, mixed }: LoadSize): string {
  const ports = tcp === true ? "HTTP and TCP" : "HTTP";
  return mixed === true ? `${ports}, some UDP or headless, names that clash` : ports;
}

function rowsOf(result: ScenarioResult): Row[] {
  const { configured, endpointChange, routeChange, floor } = result;
  const figures = isOwnSize(result.name, result.size) ? references[result.name] : undefined;
  const row = (what: FigureName, ours: string, floorText = ""): Row => {
    const { reference = "", target = "" } = figures?.[what] ?? {};
    return { what, ours, floor: floorText, reference, target };
  };
  const timed = (what: FigureName, ms: number, floorMs: number | undefined): Row =>
    row(what, time(ms), floorMs === undefined ? "" : ratio(ms, floorMs, time));
  const configuring = [
    row("resident before the first proxy", megabytes(result.idleRssBytes)),
    timed("all configured", configured.ms, floor?.configuredMs),
    row("bytes to configure", megabytes(configured.bytes)),
    row(
      "CPU to configure",
      `${result.configureCpuSeconds.toFixed(2)} s`,
      floor && ratio(result.configureCpuSeconds, floor.configureCpuSeconds, seconds),
    ),
    row("garbage collection", collected(result.configureLoop)),
    row("peak resident", megabytes(result.peakRssBytes)),
  ];
  const endpointRows = endpointChange && [
    timed("endpoint change: last proxy", endpointChange.lastMs, floor?.endpointChangeMs),
    row("endpoint change: bytes", megabytes(endpointChange.bytes)),
    row("endpoint change: pushes", `${endpointChange.pushes}`),
  ];
  const routeRows = routeChange && [
    row("route change: first proxy", time(routeChange.firstMs)),
    timed("route change: last proxy", routeChange.lastMs, floor?.routeChangeMs),
    row("route change: bytes", megabytes(routeChange.bytes)),
    row("route change: pushes", `${routeChange.pushes}`),
  ];
  return [...configuring, ...(endpointRows ?? []), ...(routeRows ?? [])];
}

function ratio(ours: number, floor: number, text: (value: number) => string): string {
  return `${text(floor)} (x${(ours / floor).toFixed(1)})`;
}

function seconds(value: number): string {
  return `${value.toFixed(2)} s`;
}

function collected({ gcMs, busyMs, scavenges }: LoopUsage): string {
  const share = ((100 * gcMs) / busyMs).toFixed(1);
  return `${share} % of ${time(busyMs)} busy, ${scavenges} small ones`;
}

function details(result: ScenarioResult): string[] {
  const { configured, endpointChange, routeChange } = result;
  return [
    `ready after ${time(result.readyMs)} and ${result.readyCpuSeconds.toFixed(2)} s of CPU; ` +
      `CPU of the control plane in all ${result.cpuSeconds.toFixed(2)} s`,
    `${configured.responses} responses until all were configured; bytes by type:`,
    ...aligned(bytesByType(result)),
    ...reached("endpoint change", endpointChange),
    ...reached("route change", routeChange),
  ];
}

function bytesByType({ configured, size }: ScenarioResult): readonly (readonly string[])[] {
  const rows = Object.entries(configured.bytesByType).map(([type, bytes]) => [
    `  ${type}`,
    megabytes(bytes / size.proxies),
    megabytes(bytes),
  ]);
  const all = megabytes(configured.bytes / size.proxies);
  return [["", "a proxy", "in all"], ...rows, ["  all", all, megabytes(configured.bytes)]];
}

function reached(what: string, change: Changed | undefined): string[] {
  if (change === undefined) return [];
  return [`${what} reached ${change.proxies} proxies, median ${time(change.medianMs)}`];
}

function table(rows: readonly Row[]): string[] {
  const head: Row = {
    what: "",
    ours: "ours",
    floor: "floor (ours / floor)",
    reference: "reference",
    target: "target",
  };
  return aligned(
    [head, ...rows].map(row => [row.what, row.ours, row.floor, row.reference, row.target]),
  );
}

/** Rows of text in columns. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const count = Math.max(...rows.map(row => row.length));
  const widths = Array.from({ length: count }, (_, i) =>
    Math.max(...rows.map(row => (row[i] ?? "").length)),
  );
  return rows.map(row =>
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

export function time(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`;
}

export function megabytes(bytes: number): string {
  const mb = bytes / 1e6;
  return mb >= 10
    ? `${mb.toFixed(0)} MB`
    : mb >= 1
      ? `${mb.toFixed(2)} MB`
      : `${(bytes / 1e3).toFixed(1)} KB`;
}
