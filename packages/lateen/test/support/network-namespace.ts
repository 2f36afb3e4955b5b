/** A pod's network without a pod: for what iptables make of traffic. Needs root. */
import assert from "node:assert/strict";
import { runCommand } from "../../src/local/command.ts";

const INSIDE = [
  "ip link set lo up",
  "ip link add eth0 type veth peer name peer0",
  "ip link set peer0 up",
  "ip link set eth0 up",
  "ip address add 10.9.8.7/24 dev eth0",
  "if [ -d /proc/sys/net/ipv6 ]; then",
  "echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
  "ip -6 address add fd00::7/64 dev eth0 nodad",
  "fi",
].join("\n");

/**
 * What a shell script prints that runs in a network namespace of its own, which is gone with it. It has
 * eth0 with 10.9.8.7 and fd00::7, the other end of which is peer0. Fails the test where the script fails.
 */
export async function inNamespace(script: string): Promise<string> {
  const args = ["--net", "--mount", "sh", "-ec", `${INSIDE}\n${script}`];
  const result = await runCommand("unshare", args);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}
