/** What services cost a sidecar in memory: a real Envoy with and without their TCP ports. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endChild, startControlPlane } from "./child.ts";
import { openConfig } from "./config.ts";
import { type LoadSize, sidecarPod } from "./load.ts";
import { RealSidecar, type SidecarFigures } from "./real-sidecar.ts";
import { aligned, megabytes } from "./report.ts";
import { scenarioSizes } from "./scenario-sizes.ts";

export interface SidecarCost {
  readonly services: number;
  readonly http: SidecarFigures;
  readonly twoHttp: SidecarFigures;
  readonly httpAndTcp: SidecarFigures;
  /** What Envoy's allocator hands out for one more port of a service. */
  readonly bytesPerPort: Readonly<Record<"http" | "tcp", number>>;
}

/** Needs the right to make a network namespace, and Envoy. */
export async function measureSidecar(nodeArgs: readonly string[]): Promise<SidecarCost> {
  const http = await figuresOf(scenarioSizes.unscoped, nodeArgs);
  const twoHttp = await figuresOf({ ...scenarioSizes.unscoped, secondHttp: true }, nodeArgs);
  const httpAndTcp = await figuresOf(scenarioSizes.tcp, nodeArgs);
  const { services } = scenarioSizes.tcp;
  const more = ({ configured }: SidecarFigures): number =>
    (configured.allocatedBytes - http.configured.allocatedBytes) / services;
  const bytesPerPort = { http: more(twoHttp), tcp: more(httpAndTcp) };
  return { services, http, twoHttp, httpAndTcp, bytesPerPort };
}

async function figuresOf(size: LoadSize, nodeArgs: readonly string[]): Promise<SidecarFigures> {
  const directory = mkdtempSync(join(tmpdir(), `lateen-bench-${process.pid}-`));
  const close: (() => Promise<void> | void)[] = [() => rmSync(directory, { recursive: true })];
  try {
    const config = await openConfig("store", size, directory);
    close.push(() => config.close());
    const onExit = (): void => {};
    const controlPlane = await startControlPlane({ source: config.args, nodeArgs, onExit });
    close.push(() => endChild(controlPlane.child));
    const { xdsPort } = controlPlane;
    const { sidecar, figures } = await RealSidecar.start({ pod: sidecarPod(size), xdsPort });
    await sidecar.stop();
    return figures;
  } finally {
    for (const each of close.reverse()) await each();
  }
}

/** The clusters of a port are the same for both protocols; a TCP port has a listener, too. */
export function tcpListenerBytes({ bytesPerPort }: SidecarCost): number {
  return bytesPerPort.tcp - bytesPerPort.http;
}

export function sidecarLines(cost: SidecarCost): string[] {
  const { services, http, twoHttp, httpAndTcp, bytesPerPort } = cost;
  const row = (what: string, { configured, clusters }: SidecarFigures): string[] => [
    what,
    `${clusters}`,
    megabytes(configured.allocatedBytes),
    megabytes(configured.rssBytes),
  ];
  return [
    "",
    `a real Envoy with ${services} services in its scope, no traffic:`,
    ...aligned([
      ["", "clusters", "allocated", "resident"],
      ["before configuration", "", ...beforeOf(http)],
      row("HTTP ports", http),
      row("two HTTP ports", twoHttp),
      row("HTTP and TCP ports", httpAndTcp),
    ]),
    `one more port of a service, with its three clusters: HTTP ${megabytes(bytesPerPort.http)}, ` +
      `TCP ${megabytes(bytesPerPort.tcp)}; so its listener: ${megabytes(tcpListenerBytes(cost))}`,
  ];
}

function beforeOf({ beforeConfiguration }: SidecarFigures): string[] {
  const { allocatedBytes, rssBytes } = beforeConfiguration;
  return [megabytes(allocatedBytes), megabytes(rssBytes)];
}
