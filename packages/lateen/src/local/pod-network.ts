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
}

/**
 * Gives a sandbox its address, name and interception. The address is a /32 behind the node:
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
    `hostname -- ${quote(options.hostname)}`,
    "ip link set lo up",
    "[ ! -d /proc/sys/net/ipv6 ] || echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6",
    "echo 0 > /proc/sys/net/ipv4/conf/all/accept_redirects",
    "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start",
    `ip address add ${options.address}/32 dev eth0`,
    "ip link set eth0 up",
    `ip route add ${gateway} dev eth0 scope link`,
    `ip route add default via ${gateway}`,
  ];
  if (options.interception !== undefined)
    lines.push("iptables-restore <<'RULES'", `${interceptionRules(options.interception)}RULES`);
  return `${lines.join("\n")}\n`;
}
