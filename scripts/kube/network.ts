/** The node's namespaces and its link to the machine. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { complaint, runCommand } from "../../packages/lateen/src/local/command.ts";
import { type Daemon, entering, HOLDER, startDaemon } from "./daemons.ts";
import {
  BRIDGE,
  BRIDGE_ADDRESS,
  BRIDGE_ADDRESS_V6,
  type ClusterPlan,
  isDualStack,
  MAX_CLUSTERS,
  nodeAddressV6,
  pathsOf,
  planCluster,
} from "./plan.ts";
import { madeFolders } from "./state.ts";
import { waitFor } from "./wait.ts";

/** Where Kubernetes' programs, and the hostPaths of a mesh's node agents, expect a node's files. */
const NODE_FOLDERS = [
  "/etc/cni/net.d",
  "/opt/cni/bin",
  "/run/containerd",
  "/run/netns",
  "/var/lib/cni",
  "/var/lib/containerd",
  "/var/lib/kubelet",
  "/var/log/containers",
  "/var/log/pods",
];
const READY_MS = 60_000;

/**
 * Starts the process that holds the node's network and mount namespace. The mounts are shared among
 * the node's own (pods that ask for mount propagation need that), and never with the machine's.
 */
export async function makeNode(plan: ClusterPlan): Promise<void> {
  const { root } = pathsOf(plan);
  makeMountPoints(root);
  const ready = `${plan.directory}/holder-ready`;
  rmSync(ready, { force: true });
  const script = [
    "mount --make-rshared /",
    ...NODE_FOLDERS.map(folder => `mount --bind ${root}${folder} ${folder}`),
    `touch ${ready}`,
    "exec sleep infinity",
  ];
  // Private first: /run/netns may be shared by `ip netns`, and the binds would show up outside.
  const unshare = ["unshare", "--net", "--mount", "--propagation", "private", "--", "/bin/sh"];
  const holder = startDaemon(plan, HOLDER, "host", [...unshare, "-ec", script.join("\n")]);
  await waitFor(plan, "the node's namespaces", READY_MS, [holder], async () => existsSync(ready));
  await connect(plan, holder);
}

async function connect(plan: ClusterPlan, holder: Daemon): Promise<void> {
  await makeBridge();
  // The same for each cluster of this number: who has known its predecessor would not find it for a
  // while, by another one.
  const mac = `02:00:0a:d2:00:${(10 + plan.number).toString(16).padStart(2, "0")}`;
  const peer = [
    "type",
    "veth",
    "peer",
    "name",
    "eth0",
    "address",
    mac,
    "netns",
    String(holder.pid),
  ];
  await must("ip", ["link", "add", plan.id, ...peer]);
  await must("ip", ["link", "set", plan.id, "master", BRIDGE, "up"]);
  await must("/bin/sh", ["-ec", hostRoutes(plan).join("\n")]);
  const [program = "", ...args] = [...entering(plan, "network"), "/bin/sh", "-ec"];
  await must(program, [...args, nodeNetwork(plan).join("\n")]);
}

function nodeNetwork(plan: ClusterPlan): string[] {
  const v6 = [
    "sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0",
    `ip addr add ${nodeAddressV6(plan.number)}/64 dev eth0 nodad`,
    `ip -6 route add default via ${BRIDGE_ADDRESS_V6}`,
  ];
  return [
    "ip link set lo up",
    "ip link set eth0 up",
    `ip addr add ${plan.address}/24 dev eth0`,
    `ip route add default via ${BRIDGE_ADDRESS}`,
    "sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1",
    ...(isDualStack(plan) ? v6 : []),
    ...otherClusters(plan).flatMap(other => routesTo(other, other.address)),
  ];
}

/** From the machine itself pods and load balancers' addresses are reached by way of the node. */
function hostRoutes(plan: ClusterPlan): string[] {
  return routesTo(plan, plan.address);
}

function routesTo(plan: ClusterPlan, gateway: string): string[] {
  const ranges = [...plan.podRanges.slice(0, 1), plan.loadBalancerRange];
  return ranges.map(range => `ip route replace ${range} via ${gateway}`);
}

/** One flat network: each node knows the way to the pods of all others, there or not. */
function otherClusters(plan: ClusterPlan): ClusterPlan[] {
  const numbers = Array.from({ length: MAX_CLUSTERS }, (_, i) => i + 1);
  return numbers
    .filter(number => number !== plan.number)
    .map(number => planCluster({ name: "", number, mode: "node", root: "" }));
}

async function makeBridge(): Promise<void> {
  const there = await runCommand("ip", ["link", "show", BRIDGE]);
  if (there.code === 0) return;
  const script = [
    `ip link add ${BRIDGE} type bridge`,
    `ip addr add ${BRIDGE_ADDRESS}/24 dev ${BRIDGE}`,
    `ip -6 addr add ${BRIDGE_ADDRESS_V6}/64 dev ${BRIDGE} nodad || true`,
    `ip link set ${BRIDGE} up`,
  ];
  await must("/bin/sh", ["-ec", script.join("\n")]);
}

/** The link ends with its namespace, a moment after the last process in it. */
export async function removeLinks(plan: ClusterPlan): Promise<void> {
  for (let i = 0; i < 50; i++) {
    const { code } = await runCommand("ip", ["link", "show", plan.id]);
    if (code !== 0) break;
    if (i > 10) await runCommand("ip", ["link", "del", plan.id]);
    await sleep(50);
  }
  const { stdout } = await runCommand("ip", ["-o", "link", "show", "master", BRIDGE]);
  if (stdout.trim() === "") await runCommand("ip", ["link", "del", BRIDGE]);
}

function makeMountPoints(root: string): void {
  const made = existsSync(madeFolders) ? readFileSync(madeFolders, "utf8").split("\n") : [];
  for (const folder of NODE_FOLDERS) {
    mkdirSync(`${root}${folder}`, { recursive: true });
    const first = mkdirSync(folder, { recursive: true });
    if (first !== undefined) made.push(...parents(folder, first));
  }
  writeFileSync(madeFolders, [...new Set(made)].join("\n"));
}

/** `folder` and the folders above it down from `first`. */
function parents(folder: string, first: string): string[] {
  if (folder === first) return [folder];
  return [folder, ...parents(folder.slice(0, folder.lastIndexOf("/")), first)];
}

/** Removes the empty folders that were made as mount points, when the last cluster is gone. */
export function removeMountPoints(): void {
  if (!existsSync(madeFolders)) return;
  const folders = readFileSync(madeFolders, "utf8").split("\n").filter(Boolean);
  for (const folder of folders.sort((a, b) => b.length - a.length)) {
    try {
      rmdirSync(folder);
    } catch {
      // Somebody else has put something there.
    }
  }
  rmSync(madeFolders);
}

async function must(file: string, args: readonly string[]): Promise<void> {
  const result = await runCommand(file, args);
  if (result.code !== 0)
    throw new Error(`${file} ${args.slice(0, 4).join(" ")}: ${complaint(result)}`);
}
