/** The bench on a real API server: a control plane with thousands of pods, sidecars, and churn. */
import type { Progress } from "../../../scripts/kube/progress.ts";
import { endChild, startControlPlane, type Usage, usageOf } from "./child.ts";
import { median } from "./fleet.ts";
import { KubeBed, type KubePod } from "./kube-bed.ts";
import { type KubeLoadSize, PROBE, probeEndpoints, probeRoute, range } from "./kube-load.ts";
import { RealSidecar, type SidecarFigures, type SidecarMemory } from "./real-sidecar.ts";
import { pause } from "./request.ts";
import { SimFleet, type SimProxyOptions } from "./sim-proxy.ts";

export interface KubeScenarioOptions {
  readonly size: KubeLoadSize;
  /** Pods that are deleted each second, and so created again by their Deployments. */
  readonly churnPerSecond: number;
  readonly churnSeconds: number;
  /** Changes of each kind that are timed, without churn and during it. */
  readonly repeats: number;
  readonly nodeArgs: readonly string[];
  readonly progress: Progress;
}

/** From sending a write to the API server until each proxy has it; in ms. */
export interface Latency {
  readonly medianFirst: number;
  readonly medianLast: number;
  readonly p95Last: number;
  readonly samples: number;
}

export interface Changes {
  readonly endpoint: Latency;
  readonly route: Latency;
}

export interface Churn {
  readonly pods: number;
  readonly seconds: number;
  readonly controlPlaneCpuSeconds: number;
  readonly bytes: number;
  readonly pushes: number;
}

export interface KubeResult {
  readonly size: KubeLoadSize;
  /** Of the test bed: until all pods ran. */
  readonly filledMs: number;
  readonly readyMs: number;
  readonly readyCpuSeconds: number;
  readonly idleRssBytes: number;
  readonly configuredMs: number;
  readonly configureCpuSeconds: number;
  readonly configureBytes: number;
  readonly quiet: Changes;
  readonly busy: Changes;
  readonly churn: Churn;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
  /** A real Envoy's; or why there is none. */
  readonly sidecar: (SidecarFigures & { readonly afterChurn: SidecarMemory }) | string;
}

const SERVER_NAME = "istiod.istio-system.svc";
const SETTLE_MS = 1000;
const QUIET_MS = 500;
const CONFIGURED_WITHIN_MS = 300_000;
const ARRIVES_WITHIN_MS = 60_000;
const BETWEEN_CHANGES_MS = 500;

type Closing = (() => Promise<void> | void)[];

export async function runKubeScenario(options: KubeScenarioOptions): Promise<KubeResult> {
  const closing: Closing = [];
  try {
    const bed = await KubeBed.start(options.size, options.progress);
    closing.push(() => bed.stop());
    return await measure(options, bed, closing);
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

async function measure(
  options: KubeScenarioOptions,
  bed: KubeBed,
  closing: Closing,
): Promise<KubeResult> {
  const { size, progress, nodeArgs } = options;
  const filledMs = await bed.fill(size, progress);
  progress(`${size.pods} pods run after ${(filledMs / 1000).toFixed(0)} s`);
  const source = ["--kubeconfig", bed.kubeconfig];
  let ending = false;
  const onExit = (reason: string): void => {
    if (!ending) progress(reason);
  };
  const controlPlane = await startControlPlane({ source, nodeArgs, tls: true, onExit });
  closing.push(() => {
    ending = true;
    return endChild(controlPlane.child);
  });
  const usage = (): Usage => usageOf(controlPlane.pid);
  await pause(SETTLE_MS);
  const idle = usage();
  const rootCertificate = await bed.rootCertificate();
  const common = { rootCertificate, serverName: SERVER_NAME };
  const { pods, spare } = await choosePods(bed, size);
  const tokens = await Promise.all(pods.map(pod => bed.token(pod)));
  const [ownPod, ...fleetPods] = pods;
  const url = `https://127.0.0.1:${controlPlane.xdsPort}`;
  const fleet = new MarkedFleet(
    fleetPods.map((pod, i) => ({ url, node: nodeOf(pod), token: tokens[i + 1] ?? "", ...common })),
  );
  closing.push(() => fleet.close());
  const configured = await fleet.configure();
  const after = usage();
  progress(`${fleetPods.length} proxies configured`);
  const started = await attempt(() => {
    if (ownPod === undefined) throw new Error("no pod for it");
    const { xdsPort } = controlPlane;
    const tls = { token: tokens[0] ?? "", ...common };
    return RealSidecar.start({ pod: ownPod, xdsPort, tls });
  });
  if (typeof started !== "string") closing.push(() => started.sidecar.stop());
  const changer = new Changer(bed, fleet);
  const quiet = await changer.changes(options.repeats, () => true);
  const { busy, churn } = await measureChurn(options, bed, fleet, changer, spare, usage);
  const final = usage();
  const sidecar =
    typeof started === "string"
      ? started
      : { ...started.figures, afterChurn: await started.sidecar.memory() };
  return {
    size,
    filledMs,
    readyMs: controlPlane.readyMs,
    readyCpuSeconds: idle.cpuSeconds,
    idleRssBytes: idle.rssBytes,
    configuredMs: configured.ms,
    configureCpuSeconds: after.cpuSeconds - idle.cpuSeconds,
    configureBytes: configured.bytes,
    quiet,
    busy,
    churn,
    rssBytes: final.rssBytes,
    peakRssBytes: final.peakRssBytes,
    sidecar,
  };
}

async function attempt<T>(make: () => Promise<T>): Promise<T | string> {
  try {
    return await make();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** One pod more than there are simulated proxies; the others may be deleted. */
async function choosePods(
  bed: KubeBed,
  size: KubeLoadSize,
): Promise<{ readonly pods: readonly KubePod[]; readonly spare: KubePod[] }> {
  const all = await Promise.all(range(size.services).map(i => bed.pods(size, i)));
  const rounds = Math.max(...all.map(pods => pods.length));
  const inTurn = range(rounds).flatMap(round =>
    all.map(pods => pods[round]).filter(pod => pod !== undefined),
  );
  return { pods: inTurn.slice(0, size.proxies + 1), spare: inTurn.slice(size.proxies + 1) };
}

function nodeOf({ name, namespace, address }: KubePod): SimProxyOptions["node"] {
  return {
    id: `sidecar~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: name,
    metadata: { NAMESPACE: namespace, NAME: name, INSTANCE_IPS: address },
  };
}

async function measureChurn(
  options: KubeScenarioOptions,
  bed: KubeBed,
  fleet: MarkedFleet,
  changer: Changer,
  spare: KubePod[],
  usage: () => Usage,
): Promise<{ readonly busy: Changes; readonly churn: Churn }> {
  const { churnPerSecond, churnSeconds, progress } = options;
  progress(`churn: ${churnPerSecond} pods a second for ${churnSeconds} s`);
  const before = { ...usage(), ...fleet.total() };
  const started = performance.now();
  const ends = started + churnSeconds * 1000;
  const running = deletePods(bed, spare, churnPerSecond, ends);
  const busy = await changer.changes(options.repeats, () => performance.now() < ends);
  const pods = await running;
  const seconds = (performance.now() - started) / 1000;
  const after = { ...usage(), ...fleet.total() };
  const churn = {
    pods,
    seconds,
    controlPlaneCpuSeconds: after.cpuSeconds - before.cpuSeconds,
    bytes: after.bytes - before.bytes,
    pushes: after.pushes - before.pushes,
  };
  return { busy, churn };
}

/** At an even pace, whatever the API server takes for each. Returns how many. */
async function deletePods(
  bed: KubeBed,
  spare: KubePod[],
  perSecond: number,
  ends: number,
): Promise<number> {
  const started = performance.now();
  const deleting: Promise<unknown>[] = [];
  while (performance.now() < ends) {
    const pod = spare.pop();
    if (pod === undefined) break;
    const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
    deleting.push(bed.must({ method: "DELETE", path }));
    const next = started + (deleting.length * 1000) / perSecond;
    await pause(Math.max(0, next - performance.now()));
  }
  await Promise.all(deleting);
  return deleting.length;
}

/** Makes changes that can be told from each other, and times their arrival at the last proxy. */
class Changer {
  readonly #bed: KubeBed;
  readonly #fleet: MarkedFleet;
  #count = 0;

  constructor(bed: KubeBed, fleet: MarkedFleet) {
    this.#bed = bed;
    this.#fleet = fleet;
  }

  /** So many of each kind, or as many as there is time for. */
  async changes(repeats: number, goesOn: () => boolean): Promise<Changes> {
    const endpoint: Arrival[] = [];
    const route: Arrival[] = [];
    while (goesOn() && route.length < repeats) {
      endpoint.push(await this.#endpointChange());
      await pause(BETWEEN_CHANGES_MS);
      route.push(await this.#routeChange());
      await pause(BETWEEN_CHANGES_MS);
    }
    return { endpoint: latency(endpoint), route: latency(route) };
  }

  #endpointChange(): Promise<Arrival> {
    const i = ++this.#count;
    const marker = `10.99.${(i >> 8) & 255}.${i & 255}`;
    const path = `/apis/discovery.k8s.io/v1/namespaces/${PROBE.namespace}/endpointslices`;
    return this.#change(marker, `${path}/${PROBE.name}`, probeEndpoints(marker));
  }

  #routeChange(): Promise<Arrival> {
    const marker = `/change-${++this.#count}-of-the-bench`;
    const path = `/apis/networking.istio.io/v1/namespaces/${PROBE.namespace}/virtualservices`;
    return this.#change(marker, `${path}/${PROBE.name}`, probeRoute(marker));
  }

  async #change(marker: string, path: string, body: object): Promise<Arrival> {
    const arrival = this.#fleet.arrival(marker);
    await Promise.all([this.#bed.merge(path, body), arrival]);
    return arrival;
  }
}

interface Arrival {
  readonly firstMs: number;
  readonly lastMs: number;
}

function latency(arrivals: readonly Arrival[]): Latency {
  const last = arrivals.map(each => each.lastMs).sort((a, b) => a - b);
  return {
    medianFirst: median(arrivals.map(each => each.firstMs)),
    medianLast: median(last),
    p95Last: last[Math.max(0, Math.ceil(last.length * 0.95) - 1)] ?? Number.NaN,
    samples: last.length,
  };
}

/** Simulated sidecars that look for a text in whatever comes. */
class MarkedFleet {
  readonly #fleet: SimFleet;
  #marker: Buffer | undefined;
  readonly #arrived = new Map<number, number>();

  constructor(options: readonly SimProxyOptions[]) {
    this.#fleet = new SimFleet(
      options.map((each, i) => ({ ...each, onMessage: (_, message) => this.#look(i, message) })),
    );
  }

  async configure(): Promise<{ readonly ms: number; readonly bytes: number }> {
    const started = performance.now();
    this.#fleet.connect();
    await this.#fleet.configured(CONFIGURED_WITHIN_MS);
    await this.#fleet.quiet(QUIET_MS);
    const endedAt = await this.#fleet.configured(0);
    return { ms: endedAt - started, bytes: this.#fleet.total().bytes };
  }

  /** When this text came to the first and to the last proxy, from now on. */
  async arrival(marker: string): Promise<Arrival> {
    const started = performance.now();
    this.#marker = Buffer.from(marker);
    this.#arrived.clear();
    const all = (): boolean => this.#arrived.size >= this.#fleet.proxies.length;
    await this.#fleet.until(`${marker} everywhere`, all, ARRIVES_WITHIN_MS);
    const times = [...this.#arrived.values()].map(at => at - started);
    return { firstMs: Math.min(...times), lastMs: Math.max(...times) };
  }

  total() {
    return this.#fleet.total();
  }

  close(): void {
    this.#fleet.close();
  }

  #look(proxy: number, message: Uint8Array): void {
    if (this.#marker === undefined || this.#arrived.has(proxy)) return;
    if (Buffer.from(message.buffer, message.byteOffset, message.length).includes(this.#marker))
      this.#arrived.set(proxy, performance.now());
  }
}
