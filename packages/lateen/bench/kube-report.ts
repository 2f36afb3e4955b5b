/** The figures of a run on a real API server, beside those of the simulated mesh. */
import type { KubeResult, Latency } from "./kube-scenario.ts";
import type { SidecarMemory } from "./real-sidecar.ts";
import { unscopedReference } from "./reference.ts";
import { aligned, megabytes, time } from "./report.ts";

type Line = readonly [what: string, ours: string, simulated: string, reference: string];

const HEAD: Line = ["", "this run", "simulated mesh", "reference"];

/** Of `npm run bench` (500 services of 10 endpoints, 200 sidecars, unscoped) on two cores. */
const SIMULATED = {
  idle: "SIM_IDLE",
  configured: "SIM_CONFIGURED",
  configureCpu: "SIM_CPU",
  bytes: "SIM_BYTES",
  peak: "SIM_PEAK",
  endpoint: "SIM_ENDPOINT",
  route: "SIM_ROUTE",
} as const;

export function kubeReportLines(result: KubeResult): string[] {
  const { pods, services, proxies, namespaces } = result.size;
  return [
    "",
    `${pods} pods in ${services} Services and ${namespaces} namespaces of a Kubernetes API server, ` +
      `${proxies} unscoped proxies with tokens of their own over TLS`,
    "simulated mesh: our own figures of 'npm run bench -- --scenario unscoped' (500 services of 10 " +
      "endpoints, 200 proxies, plaintext); reference: Istio's with that load",
    ...aligned([HEAD, ...controlPlaneLines(result), ...churnLines(result)]),
    "",
    ...sidecarLines(result),
  ];
}

function controlPlaneLines(result: KubeResult): Line[] {
  const { quiet } = result;
  const line = (
    what: string,
    ours: string,
    simulated = "",
    reference?: keyof typeof unscopedReference,
  ): Line => {
    const known = reference === undefined ? undefined : unscopedReference[reference];
    return [what, ours, simulated, known?.reference ?? ""];
  };
  const { idle, configured, configureCpu, bytes, peak, endpoint, route } = SIMULATED;
  return [
    line("test bed: until all pods ran", time(result.filledMs)),
    line("ready after", time(result.readyMs)),
    line("CPU until ready", seconds(result.readyCpuSeconds)),
    line(
      "resident before the first proxy",
      megabytes(result.idleRssBytes),
      idle,
      "resident before the first proxy",
    ),
    line("all configured", time(result.configuredMs), configured, "all configured"),
    line("CPU to configure", seconds(result.configureCpuSeconds), configureCpu, "CPU to configure"),
    line("bytes to configure", megabytes(result.configureBytes), bytes, "bytes to configure"),
    line("peak resident", megabytes(result.peakRssBytes), peak, "peak resident"),
    line(
      "endpoint change: write to last proxy",
      latency(quiet.endpoint),
      endpoint,
      "endpoint change: last proxy",
    ),
    line(
      "route change: write to last proxy",
      latency(quiet.route),
      route,
      "route change: last proxy",
    ),
  ];
}

function churnLines({ busy, churn, rssBytes }: KubeResult): Line[] {
  const line = (what: string, ours: string): Line => [what, ours, "", ""];
  const rate = `${churn.pods} pods in ${churn.seconds.toFixed(0)} s`;
  const perPod = (churn.controlPlaneCpuSeconds * 1000) / Math.max(1, churn.pods);
  const share = (100 * churn.controlPlaneCpuSeconds) / churn.seconds;
  return [
    line("churn: pods deleted and created again", rate),
    line("churn: endpoint change to last proxy", latency(busy.endpoint)),
    line("churn: route change to last proxy", latency(busy.route)),
    line(
      "churn: CPU of the control plane",
      `${seconds(churn.controlPlaneCpuSeconds)} (${share.toFixed(0)} % of a core, ` +
        `${perPod.toFixed(0)} ms a pod)`,
    ),
    line("churn: sent", `${megabytes(churn.bytes)} in ${churn.pushes} pushes`),
    line("churn: resident afterwards", megabytes(rssBytes)),
  ];
}

function sidecarLines({ sidecar, size }: KubeResult): string[] {
  if (typeof sidecar === "string") return [`real sidecar: not measured: ${sidecar}`];
  const { beforeConfiguration, configured, afterChurn, clusters } = sidecar;
  const line = (what: string, memory: SidecarMemory): string[] => [
    what,
    megabytes(memory.rssBytes),
    megabytes(memory.ownBytes),
    megabytes(memory.allocatedBytes),
  ];
  return [
    `a real Envoy 1.40 with two workers, unscoped: ${size.services} Services, ${size.pods} ` +
      `endpoints, ${clusters} clusters`,
    ...aligned([
      ["", "resident", "of it not shared", "allocated"],
      line("without configuration", beforeConfiguration),
      line("configured", configured),
      line("after the churn", afterChurn),
    ]),
  ];
}

function latency({ medianLast, p95Last, samples }: Latency): string {
  return `${time(medianLast)}, p95 ${time(p95Last)} (of ${samples})`;
}

function seconds(value: number): string {
  return `${value.toFixed(2)} s`;
}
