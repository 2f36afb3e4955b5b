/** The figures of a run as a table beside the reference's and the floor's. */
import type { Changed } from "./fleet.ts";
import { type FigureName, scopedReference, unscopedReference } from "./reference.ts";
import type { ScenarioResult } from "./scenario.ts";

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
    `${name}: ${size.proxies} proxies, ${size.services} services of ${size.endpoints} endpoints, ` +
    `${size.namespaces} namespaces${scope}, configuration from ${source}`;
  const failed = result.failure === undefined ? [] : [`FAILED at ${result.failure}`];
  return ["", title, ...LEGEND, ...table(rowsOf(result)), ...details(result), ...failed];
}

function rowsOf(result: ScenarioResult): Row[] {
  const { configured, endpointChange, routeChange, floor } = result;
  const references = isReferenceLoad(result)
    ? result.size.scoped
      ? scopedReference
      : unscopedReference
    : {};
  const row = (what: FigureName, ours: string, floorText = ""): Row => {
    const { reference = "", target = "" } = references[what] ?? {};
    return { what, ours, floor: floorText, reference, target };
  };
  const timed = (what: FigureName, ms: number, floorMs: number | undefined): Row =>
    row(
      what,
      time(ms),
      floorMs === undefined ? "" : `${time(floorMs)} (x${(ms / floorMs).toFixed(1)})`,
    );
  const configuring = [
    row("resident before the first proxy", megabytes(result.idleRssBytes)),
    timed("all configured", configured.ms, floor?.configuredMs),
    row("bytes to configure", megabytes(configured.bytes)),
    row("CPU to configure", `${result.configureCpuSeconds.toFixed(2)} s`),
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

function isReferenceLoad({ size }: ScenarioResult): boolean {
  return size.proxies === 200 && size.services === 500 && size.endpoints === 10;
}

function details(result: ScenarioResult): string[] {
  const { configured, endpointChange, routeChange } = result;
  const types = Object.entries(configured.bytesByType)
    .map(([type, bytes]) => `${type} ${megabytes(bytes)}`)
    .join(", ");
  return [
    `ready after ${time(result.readyMs)} and ${result.readyCpuSeconds.toFixed(2)} s of CPU; ` +
      `CPU of the control plane in all ${result.cpuSeconds.toFixed(2)} s`,
    `bytes by type: ${types}; ${configured.responses} responses`,
    ...reached("endpoint change", endpointChange),
    ...reached("route change", routeChange),
  ];
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
