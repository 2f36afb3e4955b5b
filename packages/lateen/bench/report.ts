/** The figures of a run as a table beside the reference's and the floor's. */
import { type FigureName, scopedReference, unscopedReference } from "./reference.ts";
import type { ScenarioResult } from "./scenario.ts";

interface Row {
  readonly what: string;
  readonly ours: string;
  readonly floor: string;
  readonly reference: string;
  readonly target: string;
}

export function reportLines(result: ScenarioResult): string[] {
  const { size, name, source } = result;
  const scope = size.scoped ? ", one Sidecar object a namespace" : "";
  const title =
    `${name}: ${size.proxies} proxies, ${size.services} services of ${size.endpoints} endpoints, ` +
    `${size.namespaces} namespaces${scope}, configuration from ${source}`;
  return ["", title, ...table(rowsOf(result)), ...details(result)];
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
  const timed = (what: FigureName, ms: number, floorMs: number): Row =>
    row(what, time(ms), `${time(floorMs)} (x${(ms / floorMs).toFixed(1)})`);
  return [
    row("resident before the first proxy", megabytes(result.idleRssBytes)),
    timed("all configured", configured.ms, floor.configuredMs),
    row("bytes to configure", megabytes(configured.bytes)),
    row("CPU to configure", `${result.configureCpuSeconds.toFixed(2)} s`),
    row("peak resident", megabytes(result.peakRssBytes)),
    timed("endpoint change: last proxy", endpointChange.lastMs, floor.endpointChangeMs),
    row("endpoint change: bytes", megabytes(endpointChange.bytes)),
    row("endpoint change: pushes", `${endpointChange.pushes}`),
    row("route change: first proxy", time(routeChange.firstMs)),
    timed("route change: last proxy", routeChange.lastMs, floor.routeChangeMs),
    row("route change: bytes", megabytes(routeChange.bytes)),
    row("route change: pushes", `${routeChange.pushes}`),
  ];
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
    `endpoint change reached ${endpointChange.proxies} proxies, median ` +
      `${time(endpointChange.medianMs)}; route change ${routeChange.proxies}, median ` +
      `${time(routeChange.medianMs)}`,
  ];
}

function table(rows: readonly Row[]): string[] {
  const head: Row = {
    what: "",
    ours: "ours",
    floor: "floor (ours / floor)",
    reference: "reference",
    target: "target",
  };
  const columns = ["what", "ours", "floor", "reference", "target"] as const;
  const all = [head, ...rows];
  const widths = columns.map(column => Math.max(...all.map(row => row[column].length)));
  return all.map(row =>
    columns
      .map((column, i) => row[column].padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function time(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`;
}

function megabytes(bytes: number): string {
  const mb = bytes / 1e6;
  return mb >= 10
    ? `${mb.toFixed(0)} MB`
    : mb >= 1
      ? `${mb.toFixed(2)} MB`
      : `${(bytes / 1e3).toFixed(1)} KB`;
}
