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
  readonly httpAndTcp: SidecarFigures;
  /** What Envoy's allocator hands out more, for each service with a TCP port. */
  readonly bytesPerTcpService: number;
}

/** Needs the right to make a network namespace, and Envoy. */
export async function measureSidecar(nodeArgs: readonly string[]): Promise<SidecarCost> {
  const http = await figuresOf(scenarioSizes.unscoped, nodeArgs);
  const httpAndTcp = await figuresOf(scenarioSizes.tcp, nodeArgs);
  const { services } = scenarioSizes.tcp;
  const more = httpAndTcp.configured.allocatedBytes - http.configured.allocatedBytes;
  return { services, http, httpAndTcp, bytesPerTcpService: more / services };
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

export function sidecarLines({ services, http, httpAndTcp, ...cost }: SidecarCost): string[] {
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
      row("HTTP and TCP ports", httpAndTcp),
    ]),
    `a TCP port of a service costs ${megabytes(cost.bytesPerTcpService)}, with its three clusters`,
  ];
}

function beforeOf({ beforeConfiguration }: SidecarFigures): string[] {
  const { allocatedBytes, rssBytes } = beforeConfiguration;
  return [megabytes(allocatedBytes), megabytes(rssBytes)];
}
