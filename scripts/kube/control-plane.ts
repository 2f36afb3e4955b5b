/** etcd, API server, controller manager and scheduler of a cluster. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../../packages/lateen/src/local/proc.ts";
import { callApi, isApiReady } from "./api-client.ts";
import { type Daemon, daemons, startDaemon } from "./daemons.ts";
import { type ClusterPlan, isDualStack, pathsOf } from "./plan.ts";
import type { Progress } from "./progress.ts";
import { waitFor } from "./wait.ts";

const READY_MS = 120_000;
const POLL_MS = 50;

export async function startControlPlane(
  plan: ClusterPlan,
  binaries: string,
  progress: Progress,
): Promise<void> {
  const start = (name: string): Daemon => startComponent(plan, binaries, name);
  const etcd = start("etcd");
  const api = start("kube-apiserver");
  const ready = (): Promise<boolean> => isApiReady(plan);
  await waitFor(plan, "the API server is ready", READY_MS, [etcd, api], ready);
  progress("API server ready");
  const controllers = start("kube-controller-manager");
  const scheduler = start("kube-scheduler");
  const path = "/api/v1/namespaces/default/serviceaccounts/default";
  await waitFor(plan, "controllers work", READY_MS, [controllers, scheduler], async () => {
    const { status } = await callApi(plan, { path });
    return status === 200;
  });
  progress("controllers work");
}

const FLAGS: Readonly<Record<string, (plan: ClusterPlan) => string[]>> = {
  etcd: etcdFlags,
  "kube-apiserver": apiServerFlags,
  "kube-controller-manager": controllerManagerFlags,
  "kube-scheduler": schedulerFlags,
};

/** Ends a program of the control plane, as a crash or (with SIGTERM) an upgrade would. */
export async function stopComponent(
  plan: ClusterPlan,
  name: string,
  signal: NodeJS.Signals,
): Promise<void> {
  const running = daemons(plan).filter(each => each.name === name && isAlive(each));
  for (const { pid } of running) process.kill(pid, signal);
  while (running.some(isAlive)) await sleep(POLL_MS);
}

/** Starts it again; returns when it has started, not when it is ready. */
export function startComponent(plan: ClusterPlan, binaries: string, name: string): Daemon {
  const flags = FLAGS[name];
  if (flags === undefined) throw new Error(`${name}: not one of ${Object.keys(FLAGS).join(", ")}`);
  return startDaemon(plan, name, "network", [join(binaries, name), ...flags(plan)]);
}

function etcdFlags(plan: ClusterPlan): string[] {
  const client = etcdUrl(plan);
  const peer = `http://127.0.0.1:${plan.ports.etcdPeer}`;
  return [
    `--name=${plan.name}`,
    `--data-dir=${pathsOf(plan).etcd}`,
    // Nothing here has to outlive a power failure.
    "--unsafe-no-fsync",
    "--log-level=warn",
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${plan.name}=${peer}`,
  ];
}

function etcdUrl(plan: ClusterPlan): string {
  return `http://127.0.0.1:${plan.ports.etcd}`;
}

function apiServerFlags(plan: ClusterPlan): string[] {
  const { pki } = pathsOf(plan);
  const pair = (flag: string, key: string, file: string): string[] => [
    `--${flag}=${join(pki, `${file}.crt`)}`,
    `--${key}=${join(pki, `${file}.key`)}`,
  ];
  // An address of loopback may not be the endpoint of the Service `kubernetes`.
  const alone = plan.mode === "control-plane" ? ["--endpoint-reconciler-type=none"] : [];
  return [
    `--etcd-servers=${etcdUrl(plan)}`,
    `--bind-address=${plan.address}`,
    `--advertise-address=${plan.address}`,
    `--secure-port=${plan.ports.api}`,
    ...alone,
    ...pair("tls-cert-file", "tls-private-key-file", "apiserver"),
    `--client-ca-file=${join(pki, "ca.crt")}`,
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-key-file=${join(pki, "sa.pub")}`,
    `--service-account-signing-key-file=${join(pki, "sa.key")}`,
    `--service-cluster-ip-range=${plan.serviceRanges.join(",")}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--profiling=false",
    ...pair("kubelet-client-certificate", "kubelet-client-key", "apiserver-kubelet-client"),
    `--kubelet-certificate-authority=${join(pki, "ca.crt")}`,
    "--kubelet-preferred-address-types=InternalIP",
    `--requestheader-client-ca-file=${join(pki, "front-proxy-ca.crt")}`,
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    ...pair("proxy-client-cert-file", "proxy-client-key-file", "front-proxy-client"),
    "--enable-aggregator-routing=true",
  ];
}

function controllerManagerFlags(plan: ClusterPlan): string[] {
  const { pki } = pathsOf(plan);
  const masks = isDualStack(plan)
    ? ["--node-cidr-mask-size-ipv4=24", "--node-cidr-mask-size-ipv6=64"]
    : ["--node-cidr-mask-size=24"];
  return [
    ...componentFlags(plan, "controller-manager", plan.ports.controllerManager),
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${join(pki, "sa.key")}`,
    `--root-ca-file=${join(pki, "ca.crt")}`,
    `--client-ca-file=${join(pki, "ca.crt")}`,
    `--cluster-signing-cert-file=${join(pki, "ca.crt")}`,
    `--cluster-signing-key-file=${join(pki, "ca.key")}`,
    "--allocate-node-cidrs=true",
    `--cluster-cidr=${plan.podRanges.join(",")}`,
    `--service-cluster-ip-range=${plan.serviceRanges.join(",")}`,
    ...masks,
    `--cluster-name=${plan.name}`,
    // At its default rate it takes six seconds to make its own service accounts.
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
  ];
}

function schedulerFlags(plan: ClusterPlan): string[] {
  return [
    ...componentFlags(plan, "scheduler", plan.ports.scheduler),
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
  ];
}

function componentFlags(plan: ClusterPlan, user: string, port: number): string[] {
  const { conf, pki } = pathsOf(plan);
  const kubeconfig = join(conf, `${user}.kubeconfig`);
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--tls-cert-file=${join(pki, "components.crt")}`,
    `--tls-private-key-file=${join(pki, "components.key")}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    "--leader-elect=false",
    "--profiling=false",
  ];
}
