import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import { complaint, runCommand } from "./command.ts";
import { type NetworkPlan, overlaps, planCandidates } from "./network-plan.ts";
import type { ProcessRecord } from "./process-record.ts";
import { runInside, type Sandbox, startSandbox } from "./sandbox.ts";
import { type ServiceRule, serviceRules } from "./service-rules.ts";

/** The namespace with the bridge, the service rules and the one link to the host. */
export interface NodeNetwork {
  readonly sandbox: Sandbox;
  readonly plan: NetworkPlan;
  /** Our one interface on the host. */
  readonly hostInterface: string;
}

export const BRIDGE = "br0";

/** Which of the networks of planCandidates a mesh may have. */
export interface RangeChoice {
  /** First two octets, e.g. `10.244`, of what it has had before: its Services and Pods know it. */
  readonly kept: string | undefined;
  /** What others have had, and want when they come back: only where nothing else is free. */
  readonly others: ReadonlySet<string>;
}

const UNAVAILABLE = "NetworkUnavailable";
/** Reason of a failure: another has what this mesh had. */
export const RANGE_TAKEN = "RangeTaken";
const ANY_RANGE: RangeChoice = { kept: undefined, others: new Set() };

/**
 * Makes the node's namespace and claims a free /16. On the host this adds one interface with one
 * route, both gone with the namespace; its firewall and sysctls stay as they are.
 */
export async function createNodeNetwork(
  record: ProcessRecord,
  log: Log,
  range: RangeChoice = ANY_RANGE,
): Promise<Result<NodeNetwork>> {
  const sandbox = await startSandbox(record, "node", "node", "ignore");
  if ("error" in sandbox) return failure(`${sandbox.error}; this needs root`);
  const hostInterface = `lt-${record.instance.slice(0, 8)}`;
  const { pid } = sandbox.process;
  record.setHostInterface(hostInterface);
  const linked = await runCommand("ip", [
    ...["link", "add", hostInterface, "type", "veth"],
    ...["peer", "name", "up0", "netns", String(pid)],
  ]);
  if (linked.code !== 0) return failure(`the link to the host: ${complaint(linked)}`);
  const plan = await claimPlan(hostInterface, range);
  if (typeof plan === "string")
    return failure(plan, range.kept === undefined ? UNAVAILABLE : RANGE_TAKEN);
  const set = await runInside(sandbox, "network", nodeScript(plan));
  if (set.code !== 0) return failure(`the node's network: ${complaint(set)}`);
  log.info("network is up", { cidr: plan.cidr, interface: hostInterface });
  return { ok: true, value: { sandbox, plan, hostInterface }, diagnostics: [] };
}

async function claimPlan(hostInterface: string, range: RangeChoice): Promise<NetworkPlan | string> {
  await runCommand("ip", ["link", "set", hostInterface, "up"]);
  const taken = await hostNetworks();
  for (const plan of candidates(range)) {
    const by = taken.find(({ cidr }) => overlaps(plan, cidr));
    if (by === undefined && (await claim(plan, hostInterface))) return plan;
    if (range.kept === undefined) continue;
    const who = by === undefined ? "" : ` (${by.cidr} on interface ${by.device})`;
    return `${plan.cidr}, which this mesh had before, is taken${who}`;
  }
  return "none of 10.85.0.0/16 to 10.244.0.0/16 is free";
}

function candidates({ kept, others }: RangeChoice): readonly NetworkPlan[] {
  if (kept !== undefined) return planCandidates.filter(({ prefix }) => prefix === kept);
  const wanted = ({ prefix }: NetworkPlan): boolean => others.has(prefix);
  return [...planCandidates.filter(plan => !wanted(plan)), ...planCandidates.filter(wanted)];
}

async function claim(plan: NetworkPlan, hostInterface: string): Promise<boolean> {
  const peer = `${plan.nodeAddress}/32`;
  const address = [plan.hostAddress, "peer", peer, "dev", hostInterface];
  if ((await runCommand("ip", ["address", "add", ...address])).code !== 0) return false;
  // Adding a route that is there fails: of two meshes that start at once, one gets it.
  const route = ["route", "add", plan.cidr, "via", plan.nodeAddress, "dev", hostInterface];
  if ((await runCommand("ip", route)).code === 0) return true;
  await runCommand("ip", ["address", "delete", ...address]);
  return false;
}

interface HostNetwork {
  readonly cidr: string;
  readonly device: string;
}

/** Addresses and routes that the host has. */
async function hostNetworks(): Promise<HostNetwork[]> {
  const routes = await runCommand("ip", ["-4", "route", "show", "table", "all"]);
  const addresses = await runCommand("ip", ["-4", "-oneline", "address", "show"]);
  return [
    ...routes.stdout.split("\n").flatMap(line => networksIn(line, /\bdev (\S+)/)),
    ...addresses.stdout.split("\n").flatMap(line => networksIn(line, /^\d+:\s+(\S+)/)),
  ];
}

function networksIn(line: string, device: RegExp): HostNetwork[] {
  const found = line.match(/\b\d+\.\d+\.\d+\.\d+(\/\d+)?/g) ?? [];
  return found.map(cidr => ({ cidr, device: device.exec(line)?.[1] ?? "?" }));
}

function nodeScript(plan: NetworkPlan): string {
  return `
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects
echo 0 > /proc/sys/net/ipv4/conf/default/send_redirects
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter
ip link set lo up
# A fixed address: by itself it would change with the pods that come and go.
ip link add ${BRIDGE} address 02:4c:41:54:45:45 type bridge
ip address add ${plan.gateway}/17 dev ${BRIDGE}
ip link set ${BRIDGE} up
echo 0 > /proc/sys/net/ipv4/conf/${BRIDGE}/send_redirects
# Or a pod that reaches itself through a service would be cut off inside the bridge.
[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] ||
  echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables
ip address add ${plan.nodeAddress} peer ${plan.hostAddress}/32 dev up0
ip link set up0 up
ip route add default via ${plan.hostAddress} dev up0
# In the main table: the link to the host, in the same range, is more specific there.
ip route add local ${plan.serviceCidr} dev lo table main
nft -f - <<'RULES'
${serviceRules([])}RULES
`;
}

/** Replaces the service rules; connections that exist go on. */
export async function applyServiceRules(
  node: NodeNetwork,
  rules: readonly ServiceRule[],
): Promise<string | undefined> {
  const script = `nft -f - <<'RULES'\n${serviceRules(rules)}RULES\n`;
  const result = await runInside(node.sandbox, "network", script);
  return result.code === 0 ? undefined : complaint(result);
}

function failure(message: string, reason: string = UNAVAILABLE): Result<NodeNetwork> {
  return { ok: false, diagnostics: [{ severity: "error", path: "", message, reason }] };
}
