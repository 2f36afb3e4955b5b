/** One run of the bench: a control plane, its configuration, a fleet; then the floor. */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endChild, startControlPlane, startHelper, usageOf } from "./child.ts";
import { type ConfigUnderTest, openConfig, type SourceName } from "./config.ts";
import { type Changed, type Configured, MeasuredFleet, median, Recorder } from "./fleet.ts";
import type { Recording } from "./floor-process.ts";
import { concernedProxies, type LoadSize } from "./load.ts";
import type { LoopUsage } from "./loop-meter.ts";
import { pause } from "./request.ts";
import type { ScenarioName } from "./scenario-sizes.ts";

export interface ScenarioOptions {
  readonly name: ScenarioName;
  readonly size: LoadSize;
  readonly source: SourceName;
  /** How often each change is made; figures are medians. */
  readonly repeats: number;
  readonly nodeArgs: readonly string[];
}

export interface ScenarioResult {
  readonly name: ScenarioName;
  readonly size: LoadSize;
  readonly source: SourceName;
  readonly readyMs: number;
  readonly readyCpuSeconds: number;
  readonly idleRssBytes: number;
  readonly configured: Configured;
  /** Of the control plane alone, from the first proxy on. */
  readonly configureCpuSeconds: number;
  /** Its main thread, from the first proxy until all were configured. */
  readonly configureLoop: LoopUsage;
  readonly peakRssBytes: number;
  readonly cpuSeconds: number;
  /** What follows is absent where the run failed before it was measured. */
  readonly endpointChange?: Changed;
  readonly routeChange?: Changed;
  readonly floor?: Floor;
  /** Why the run ended early: the step and its error. */
  readonly failure?: string;
}

export interface Floor {
  readonly configuredMs: number;
  readonly configureCpuSeconds: number;
  readonly endpointChangeMs: number;
  readonly routeChangeMs: number;
}

const SETTLE_MS = 1000;
const PAUSE_MS = 100;
const ENDPOINTS = "endpoints";
const ROUTE = "route";

/** Rejects only when nothing was measured; what fails later is the result's `failure`. */
export async function runScenario(options: ScenarioOptions): Promise<ScenarioResult> {
  const directory = mkdtempSync(join(tmpdir(), `lateen-bench-${process.pid}-`));
  // Also when we are interrupted; what runs in it is killed before (child.ts).
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const close: (() => Promise<void> | void)[] = [];
  try {
    const config = await openConfig(options.source, options.size, directory);
    close.push(() => config.close());
    const recorder = new Recorder();
    const measured = await measure(options, config, recorder, close);
    if (measured.failure !== undefined) return measured;
    const floor = await attempt("floor", () => measureFloor(options, recorder.recording, close));
    return { ...measured, ...("value" in floor ? { floor: floor.value } : floor) };
  } finally {
    for (const each of close.reverse()) await each();
  }
}

type Measured = Omit<ScenarioResult, "floor">;
type Changes = Pick<ScenarioResult, "endpointChange" | "routeChange" | "failure">;

async function attempt<T>(
  step: string,
  make: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly failure: string }> {
  try {
    return { value: await make() };
  } catch (error) {
    return { failure: `${step}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

async function measure(
  options: ScenarioOptions,
  config: ConfigUnderTest,
  recorder: Recorder,
  close: (() => Promise<void> | void)[],
): Promise<Measured> {
  const { name, size, source, nodeArgs } = options;
  let ending = false;
  const controlPlane = await startControlPlane({
    source: config.args,
    nodeArgs,
    onExit: reason => {
      if (!ending) process.stderr.write(`${reason}\n`);
    },
  });
  const end = (): Promise<void> => {
    ending = true;
    return endChild(controlPlane.child);
  };
  close.push(end);
  await pause(SETTLE_MS);
  const idle = usageOf(controlPlane.pid);
  const idleLoop = await controlPlane.loopUsage();
  const fleet = new MeasuredFleet(controlPlane.xdsPort, size, recorder);
  close.push(() => fleet.close());
  const configured = await fleet.configure();
  const after = usageOf(controlPlane.pid);
  const configureLoop = difference(await controlPlane.loopUsage(), idleLoop);
  const changes = await measureChanges(options, fleet, config, recorder);
  const { exitCode, signalCode } = controlPlane.child;
  const final = exitCode === null && signalCode === null ? usageOf(controlPlane.pid) : after;
  fleet.close();
  await end();
  return {
    name,
    size,
    source,
    readyMs: controlPlane.readyMs,
    readyCpuSeconds: idle.cpuSeconds,
    idleRssBytes: idle.rssBytes,
    configured,
    configureCpuSeconds: after.cpuSeconds - idle.cpuSeconds,
    configureLoop,
    peakRssBytes: final.peakRssBytes,
    ...changes,
    cpuSeconds: final.cpuSeconds,
  };
}

function difference(now: LoopUsage, before: LoopUsage): LoopUsage {
  return {
    busyMs: now.busyMs - before.busyMs,
    gcMs: now.gcMs - before.gcMs,
    scavengeMs: now.scavengeMs - before.scavengeMs,
    scavenges: now.scavenges - before.scavenges,
  };
}

async function measureChanges(
  options: ScenarioOptions,
  fleet: MeasuredFleet,
  config: ConfigUnderTest,
  recorder: Recorder,
): Promise<Changes> {
  const { size } = options;
  const concerned = concernedProxies(size);
  const { endpoints } = size;
  const endpointChange = await attempt("endpoint change", () =>
    repeated(options, i => {
      recorder.during(ENDPOINTS);
      return fleet.change(
        () => config.setEndpoints(i % 2 === 0 ? endpoints - 1 : endpoints),
        concerned,
      );
    }),
  );
  if ("failure" in endpointChange) return endpointChange;
  const routeChange = await attempt("route change", () =>
    repeated(options, i => {
      recorder.during(ROUTE);
      return fleet.change(() => config.setWeight(50 + (i % 40)), concerned);
    }),
  );
  recorder.during(undefined);
  const measured = { endpointChange: endpointChange.value };
  if ("failure" in routeChange) return { ...measured, ...routeChange };
  return { ...measured, routeChange: routeChange.value };
}

/** The medians of each figure over the repeats. */
async function repeated(
  { repeats }: ScenarioOptions,
  change: (i: number) => Promise<Changed>,
): Promise<Changed> {
  const all: Changed[] = [];
  for (let i = 0; i < repeats; i++) {
    await pause(PAUSE_MS);
    all.push(await change(i));
  }
  const of = (figure: keyof Changed): number => median(all.map(each => each[figure]));
  return {
    firstMs: of("firstMs"),
    medianMs: of("medianMs"),
    lastMs: of("lastMs"),
    bytes: of("bytes"),
    pushes: of("pushes"),
    proxies: of("proxies"),
  };
}

async function measureFloor(
  options: ScenarioOptions,
  recording: Recording,
  close: (() => Promise<void> | void)[],
): Promise<Floor> {
  const { size } = options;
  const { child, answer } = await startHelper<{ port: number }>("floor-process.ts", recording);
  close.push(() => endChild(child));
  const idle = usageOf(child.pid ?? 0);
  const fleet = new MeasuredFleet(answer.port, size);
  close.push(() => fleet.close());
  const configured = await fleet.configure();
  const { cpuSeconds } = usageOf(child.pid ?? 0);
  const concerned = concernedProxies(size);
  const change = (name: string): Promise<Changed> =>
    repeated(options, () => fleet.change(() => tell(child, { change: name }), concerned));
  const endpoints = await change(ENDPOINTS);
  const route = await change(ROUTE);
  fleet.close();
  return {
    configuredMs: configured.ms,
    configureCpuSeconds: cpuSeconds - idle.cpuSeconds,
    endpointChangeMs: endpoints.lastMs,
    routeChangeMs: route.lastMs,
  };
}

function tell(child: ChildProcess, message: object): Promise<void> {
  return new Promise((done, fail) => {
    child.send(message, error => (error === null ? done() : fail(error)));
  });
}
