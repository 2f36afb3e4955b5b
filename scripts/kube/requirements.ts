/** What a cluster needs of the machine, and the Debian packages that bring it. */
import { existsSync } from "node:fs";
import { complaint, runCommand } from "../../packages/lateen/src/local/command.ts";
import { searchPath } from "../../packages/lateen/src/local/envoy-binary.ts";
import { SYSTEM_PATH } from "../../packages/lateen/src/local/sandbox.ts";
import type { ClusterMode } from "./plan.ts";
import type { Progress } from "./progress.ts";

const ALWAYS: readonly (readonly [program: string, debianPackage: string])[] = [
  ["openssl", "openssl"],
];
const FOR_A_NODE: readonly (readonly [program: string, debianPackage: string])[] = [
  ["containerd", "containerd"],
  ["runc", "runc"],
  ["/usr/lib/cni/bridge", "containernetworking-plugins"],
  ["ip", "iproute2"],
  ["iptables", "iptables"],
  ["nft", "nftables"],
  ["conntrack", "conntrack"],
  ["nsenter", "util-linux"],
  ["unshare", "util-linux"],
  ["mount", "mount"],
  ["sysctl", "procps"],
];
const TIMEOUT_MS = 600_000;

/** Names what is missing and installs it with apt. Throws where a cluster can not run here. */
export async function requireMachine(mode: ClusterMode, progress: Progress): Promise<void> {
  if (process.platform !== "linux") throw new Error("a test cluster needs Linux");
  if (mode === "node" && process.getuid?.() !== 0)
    throw new Error("a node needs root, for namespaces; --control-plane-only does not");
  const missing = missingPackages(mode);
  if (missing.length === 0) return;
  const names = missing.join(" ");
  if (searchPath("apt-get", SYSTEM_PATH) === undefined || process.getuid?.() !== 0)
    throw new Error(`not installed: ${names}`);
  progress(`installing system packages: ${names}`);
  // Only the programs are wanted; policy-rc.d is asked before a package starts a daemon.
  const env = { PATH: SYSTEM_PATH, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  let result = await runCommand("apt-get", install, { env, timeoutMs: TIMEOUT_MS });
  if (result.code !== 0) {
    await runCommand("apt-get", ["update"], { env, timeoutMs: TIMEOUT_MS });
    result = await runCommand("apt-get", install, { env, timeoutMs: TIMEOUT_MS });
  }
  const still = missingPackages(mode);
  if (still.length > 0)
    throw new Error(`could not install ${still.join(" ")}: ${complaint(result)}`);
}

function missingPackages(mode: ClusterMode): string[] {
  const needed = mode === "node" ? [...ALWAYS, ...FOR_A_NODE] : ALWAYS;
  const isThere = (program: string): boolean =>
    program.startsWith("/") ? existsSync(program) : searchPath(program, SYSTEM_PATH) !== undefined;
  return [...new Set(needed.filter(([program]) => !isThere(program)).map(([, name]) => name))];
}
