/** The figures of a run on a real API server, beside those of the simulated mesh. */
import type { KubeResult, Latency } from "./kube-scenario.ts";
import type { SidecarMemory } from "./real-sidecar.ts";
import { type FigureName, references } from "./reference.ts";
import { aligned, megabytes, time } from "./report.ts";

type Line = readonly [what: string, ours: string, target: string, reference: string];

const HEAD: Line = ["", "this run", "target there", "reference there"];

export function kubeReportLines(result: KubeResult): string[] {
  const { pods, services, proxies, namespaces } = result.size;
  return [
    "",
    `${pods} pods in ${services} Services and ${namespaces} namespaces of a Kubernetes API server, ` +
      `${proxies} unscoped proxies with tokens of their own over TLS`,
    "there: the load of 'npm run bench -- --scenario unscoped' (500 services of 10 endpoints, 200 " +
      "proxies, plaintext, no API server); reference: Istio's control plane with it",
    ...aligned([HEAD, ...controlPlaneLines(result), ...churnLines(result)]),
    "",
    ...sidecarLines(result),
  ];
}

function controlPlaneLines(result: KubeResult): Line[] {
  const { quiet } = result;
  const line = (what: string, ours: string, figure?: FigureName): Line => {
    const { target = "", reference = "" } =
      (figure === undefined ? undefined : references.unscoped?.[figure]) ?? {};
    return [what, ours, target, reference];
  };
  const known = (figure: FigureName, ours: string): Line => line(figure, ours, figure);
  return [
    line("test bed: until all pods ran", time(result.filledMs)),
    line("ready after", time(result.readyMs)),
    line("CPU until ready", seconds(result.readyCpuSeconds)),
    known("resident before the first proxy", megabytes(result.idleRssBytes)),
    known("all configured", time(result.configuredMs)),
    known("CPU to configure", seconds(result.configureCpuSeconds)),
    known("bytes to configure", megabytes(result.configureBytes)),
    known("peak resident", megabytes(result.peakRssBytes)),
    line(
      "endpoint change: write to last proxy",
      latency(quiet.endpoint),
      "endpoint change: last proxy",
    ),
    line("route change: write to last proxy", latency(quiet.route), "route change: last proxy"),
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
