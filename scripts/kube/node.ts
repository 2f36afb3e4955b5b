/** The node's daemons: containerd, kubelet, kube-proxy; all in the node's namespaces. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { JsonObject } from "../../packages/lateen/src/api/kind.ts";
import { complaint, runCommand } from "../../packages/lateen/src/local/command.ts";
import { arrayAt, isObject, objectAt } from "../../packages/lateen/src/sources/json.ts";
import { callApi } from "./api-client.ts";
import { makeCgroups } from "./cgroups.ts";
import { entering, startDaemon } from "./daemons.ts";
import { makeNode } from "./network.ts";
import { type ClusterPlan, isDualStack, nodeAddressV6, pathsOf } from "./plan.ts";
import type { Progress } from "./progress.ts";
import { waitFor } from "./wait.ts";

export type ProxyMode = "iptables" | "nftables";

export const PAUSE_IMAGE = "lateen.test/pause:1";
const SOCKET = "/run/containerd/containerd.sock";
const READY_MS = 180_000;
const IMPORT_TIMEOUT_MS = 300_000;

/** The namespaces and containerd: what needs no API server. */
export async function prepareNode(plan: ClusterPlan, progress: Progress): Promise<void> {
  const { conf, root } = pathsOf(plan);
  mkdirSync(conf, { recursive: true, mode: 0o700 });
  makeCgroups(plan);
  await makeNode(plan);
  cpSync("/usr/lib/cni", join(root, "opt/cni/bin"), { recursive: true });
  writeFileSync(join(root, "etc/cni/net.d/10-bridge.conflist"), JSON.stringify(podNetwork(plan)));
  writeFileSync(join(conf, "containerd.toml"), CONTAINERD);
  const command = ["containerd", "--config", join(conf, "containerd.toml")];
  const containerd = startDaemon(plan, "containerd", "node", command);
  await waitFor(plan, "containerd answers", READY_MS, [containerd], async () => {
    const { code } = await ctr(plan, ["version"]);
    return code === 0;
  });
  progress("containerd answers");
}

/** Puts an image archive (OCI or docker) into the node's containerd, where pods find it. */
export async function importImage(plan: ClusterPlan, archive: string): Promise<void> {
  const args = ["--namespace", "k8s.io", "images", "import", archive];
  const result = await ctr(plan, args, IMPORT_TIMEOUT_MS);
  if (result.code !== 0) throw new Error(`import of ${archive}: ${complaint(result)}`);
}

export async function startNode(
  plan: ClusterPlan,
  binaries: string,
  proxyMode: ProxyMode,
  progress: Progress,
): Promise<void> {
  const { conf } = pathsOf(plan);
  writeFileSync(join(conf, "resolv.conf"), `nameserver ${plan.dnsAddress}\n`);
  writeFileSync(join(conf, "kubelet.yaml"), stringify(kubeletConfig(plan)));
  writeFileSync(join(conf, "kube-proxy.yaml"), stringify(kubeProxyConfig(plan, proxyMode)));
  const v6 = isDualStack(plan) ? [nodeAddressV6(plan.number)] : [];
  const kubelet = startDaemon(plan, "kubelet", "node", [
    join(binaries, "kubelet"),
    `--config=${join(conf, "kubelet.yaml")}`,
    `--kubeconfig=${join(conf, "kubelet.kubeconfig")}`,
    `--hostname-override=${plan.nodeName}`,
    `--node-ip=${[plan.address, ...v6].join(",")}`,
  ]);
  const proxy = startDaemon(plan, "kube-proxy", "network", [
    join(binaries, "kube-proxy"),
    `--config=${join(conf, "kube-proxy.yaml")}`,
  ]);
  const path = `/api/v1/nodes/${plan.nodeName}`;
  await waitFor(plan, "the node is ready", READY_MS, [kubelet, proxy], async () => {
    const { body } = await callApi(plan, { path });
    return isReady(body);
  });
  progress("node ready");
}

/** The container runtime's command line, on the node's containerd. */
function ctr(plan: ClusterPlan, args: readonly string[], timeoutMs = 60_000) {
  const [program = "", ...prefix] = entering(plan, "node");
  return runCommand(program, [...prefix, "ctr", "--address", SOCKET, ...args], { timeoutMs });
}

/** Whether an object's status has a condition Ready that is true. */
export function isReady(object: JsonObject): boolean {
  const conditions = arrayAt(objectAt(object, "status"), "conditions").filter(isObject);
  return conditions.some(each => each["type"] === "Ready" && each["status"] === "True");
}

function podNetwork(plan: ClusterPlan): object {
  return {
    cniVersion: "0.4.0",
    name: plan.id,
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        isDefaultGateway: true,
        hairpinMode: true,
        ipMasq: false,
        ipam: { type: "host-local", ranges: plan.nodePodRanges.map(subnet => [{ subnet }]) },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

function kubeletConfig(plan: ClusterPlan): object {
  const { conf, pki } = pathsOf(plan);
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    // Development machines still have control groups of version 1.
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${plan.id}`,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: `unix://${SOCKET}`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(pki, "ca.crt") },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: join(pki, "kubelet-server.crt"),
    tlsPrivateKeyFile: join(pki, "kubelet-server.key"),
    clusterDomain: "cluster.local",
    clusterDNS: [plan.dnsAddress],
    resolvConf: join(conf, "resolv.conf"),
    failSwapOn: false,
    // A test machine's disk may be nearly full, and its images come from nowhere else.
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "1%",
      "imagefs.available": "1%",
      "nodefs.inodesFree": "1%",
    },
    imageGCHighThresholdPercent: 100,
    maxPods: 200,
    syncFrequency: "10s",
    volumeStatsAggPeriod: "0s",
  };
}

function kubeProxyConfig(plan: ClusterPlan, mode: ProxyMode): object {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode,
    clientConnection: { kubeconfig: join(pathsOf(plan).conf, "kube-proxy.kubeconfig") },
    clusterCIDR: plan.podRanges.join(","),
    hostnameOverride: plan.nodeName,
    bindAddress: "0.0.0.0",
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
    // These are the whole machine's, and not a cluster's to set.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  };
}

/**
 * `restrict_oom_score_adj`: root of a development machine may lack CAP_SYS_RESOURCE, and every
 * sandbox would fail at lowering its score.
 */
const CONTAINERD = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "${SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
`;
