/** Who a container's program is, and what it may do. */
import { readFileSync } from "node:fs";
import type { Container } from "../api/pod/container.ts";
import type { Pod } from "../api/pod/schema.ts";

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  /** Of root; a user other than root has none. Lower case, without `cap_`; or `cap_` and a number. */
  readonly capabilities: readonly string[];
  /** Programs that are marked to run as root (setuid) do not. */
  readonly noNewPrivileges: boolean;
}

/**
 * What Kubernetes' runtimes leave to root in a container, without making devices: there is nothing
 * here that would keep it from reading the machine's disks through them.
 */
const DEFAULT_CAPABILITIES =
  "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot " +
  "audit_write setfcap";
const CAPABILITY = /^[a-z][a-z0-9_]*$/;

/** core/v1 SecurityContext of the container over the pod's. */
export function containerUser(pod: Pod, container: Container): ContainerUser {
  const own = container.securityContext;
  const shared = pod.spec.securityContext;
  const { add = [], drop = [] } = own?.capabilities ?? {};
  const dropped = drop.map(capabilityName);
  const kept = DEFAULT_CAPABILITIES.split(" ").filter(
    name => !dropped.includes("all") && !dropped.includes(name),
  );
  const added = add.map(capabilityName).filter(name => CAPABILITY.test(name));
  return {
    uid: own?.runAsUser ?? shared.runAsUser ?? 0,
    gid: own?.runAsGroup ?? shared.runAsGroup ?? 0,
    capabilities: [...new Set([...kept, ...added])],
    noNewPrivileges: own?.allowPrivilegeEscalation === false,
  };
}

/** Prefix of a command that shall run as a container's user does. */
export function asUser(user: ContainerUser): readonly string[] {
  const ids = ["--reuid", String(user.uid), "--regid", String(user.gid), "--clear-groups"];
  const capabilities = user.capabilities.includes("all")
    ? "+all"
    : ["-all", ...user.capabilities.map(name => `+${name}`)].join();
  const more = user.noNewPrivileges ? ["--no-new-privs"] : [];
  return ["setpriv", ...ids, "--bounding-set", capabilities, "--inh-caps", "-all", ...more, "--"];
}

/** What a process that runs is allowed; see proc(5), status. */
export function userOf(pid: number): ContainerUser {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "0";
  const bits = BigInt(`0x${field("CapBnd")}`);
  const numbers = Array.from({ length: 64 }, (_, i) => i).filter(
    i => ((bits >> BigInt(i)) & 1n) === 1n,
  );
  return {
    uid: Number(field("Uid")),
    gid: Number(field("Gid")),
    capabilities: numbers.map(number => `cap_${number}`),
    noNewPrivileges: field("NoNewPrivs") === "1",
  };
}

function capabilityName(name: string): string {
  return name.toLowerCase().replace(/^cap_/, "");
}
