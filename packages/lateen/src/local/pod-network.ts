import type { Interception } from "../proxy/interception.ts";
import { interceptionRules } from "../proxy/interception-rules.ts";
import { complaint, runCommand } from "./command.ts";
import { BRIDGE, type NodeNetwork } from "./node-network.ts";
import { quote } from "./quote.ts";
import { inside, runInside, type Sandbox } from "./sandbox.ts";

export interface PodNetworkOptions {
  readonly address: string;
  readonly hostname: string;
  /** undefined: no sidecar, nothing is redirected. */
  readonly interception: Interception | undefined;
  /** Shell commands that mount the pod's volumes; see mountScript. */
  readonly volumes: string;
  /** Files of ours to mount over the host's, in this pod only: target -> source. */
  readonly mounts: Readonly<Record<string, string>>;
  /** Folders of the host that this pod sees empty. */
  readonly hidden: readonly string[];
}

/**
 * Gives a sandbox its address, name, files and interception. The address is a /32 behind the node:
 * also the way between two pods leads through the node, whose connection tracking must see answers.
 * Returns what went wrong.
 */
export async function connectPod(
  node: NodeNetwork,
  sandbox: Sandbox,
  options: PodNetworkOptions,
): Promise<string | undefined> {
  const { pid } = sandbox.process;
  const link = linkName(options.address);
  const [file = "", ...args] = inside(node.sandbox.process.pid, "network", ["ip", "-batch", "-"]);
  const linked = await runCommand(file, args, {
    input:
      `link add ${link} type veth peer name eth0 netns ${pid}\n` +
      `link set ${link} master ${BRIDGE} up\n`,
  });
  if (linked.code !== 0) return `the pod's link: ${complaint(linked)}`;
  const set = await runInside(sandbox, "pod", podScript(node.plan.gateway, options));
  return set.code === 0 ? undefined : `the pod's network: ${complaint(set)}`;
}

/** Of the node's end; unique as the address is. */
function linkName(address: string): string {
  const [, , third = "", fourth = ""] = address.split(".");
  return `p${third}-${fourth}`;
}

function podScript(gateway: string, options: PodNetworkOptions): string {
  const lines = [
    `hostname ${options.hostname}`,
    "ip link set lo up",
    "[ ! -d /proc/sys/net/ipv6 ] || echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6",
    "echo 0 > /proc/sys/net/ipv4/conf/all/accept_redirects",
    "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start",
    `ip address add ${options.address}/32 dev eth0`,
    "ip link set eth0 up",
    `ip route add ${gateway} dev eth0 scope link`,
    `ip route add default via ${gateway}`,
    // Before our files: a volume may put a layer over the folder that they are in.
    options.volumes,
    ...Object.entries(options.mounts).map(
      ([target, source]) => `[ ! -e ${target} ] || mount --bind ${source} ${target}`,
    ),
  ];
  if (options.interception !== undefined)
    lines.push("iptables-restore <<'RULES'", `${interceptionRules(options.interception)}RULES`);
  lines.push(...options.hidden.map(hide), ...READ_ONLY.map(readOnly));
  return `${lines.join("\n")}\n`;
}

/** Through these, root in a pod could reach the kernel of all: they can only be read. */
const READ_ONLY = ["sys", "sysrq-trigger", "irq", "bus", "fs"].map(name => `/proc/${name}`);

/** Comes last: neither a layer nor a volume may uncover what is hidden. */
function hide(directory: string): string {
  const target = quote(directory);
  return `[ ! -d ${target} ] || mount -t tmpfs -o ro,mode=0555,size=4k lateen ${target}`;
}

function readOnly(path: string): string {
  return `[ ! -e ${path} ] || mount -o bind,ro ${path} ${path}`;
}
