import { type CommandResult, runCommand } from "./command.ts";
import { pause } from "./pause.ts";
import { networkNamespaceOf, programOf } from "./proc.ts";
import { launch, type RunningProcess } from "./process.ts";
import type { ProcessRecord } from "./process-record.ts";

const START_TIMEOUT_MS = 10_000;
const POLL_MS = 3;

/**
 * The process that keeps a pod's or the node's namespaces alive; they and all that is mounted or
 * configured in them end with the last process inside. Nothing is mounted or named on the host.
 */
export interface Sandbox {
  readonly process: RunningProcess;
  readonly networkNamespace: string;
}

export type SandboxKind = "pod" | "node";

/** A pod gets a /run of its own: its secrets are there, and the host's sockets are not. */
const POD_MOUNTS =
  "mount -t tmpfs -o mode=0755,size=16m,nosuid,nodev lateen /run && " +
  "{ [ /var/run -ef /run ] || [ ! -d /var/run ] || mount --bind /run /var/run; } && " +
  "mkdir -p /run/lateen && ";

export async function startSandbox(
  record: ProcessRecord,
  kind: SandboxKind,
  role: string,
  logFd: number | "ignore",
): Promise<Sandbox | { readonly error: string }> {
  const namespaces = kind === "pod" ? ["--net", "--uts", "--mount"] : ["--net"];
  const propagation = kind === "pod" ? ["--propagation", "slave"] : [];
  const setup = kind === "pod" ? POD_MOUNTS : "";
  const process = await launch(
    record,
    ["unshare", ...namespaces, ...propagation, "sh", "-c", `${setup}exec sleep infinity`],
    { role, sandbox: true, env: { PATH: SYSTEM_PATH }, stdout: logFd, stderr: logFd },
  );
  const own = networkNamespaceOf("self");
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline && process.exit === undefined) {
    const networkNamespace = networkNamespaceOf(process.pid);
    const separate = networkNamespace !== undefined && networkNamespace !== own;
    if (separate && programOf(process.pid) === "sleep") return { process, networkNamespace };
    await pause(POLL_MS);
  }
  process.signal("SIGKILL");
  const why = process.exit === undefined ? "did not start in time" : `exit ${process.exit.code}`;
  return { error: `the namespaces of ${role} could not be made (${why})` };
}

/** Where system programs are on every distribution; nothing of the user's. */
export const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The command that runs `command` inside the sandbox. */
export function inside(
  pid: number,
  kind: SandboxKind | "network",
  command: readonly string[],
): readonly string[] {
  const namespaces = kind === "pod" ? ["--net", "--uts", "--mount"] : ["--net"];
  return ["nsenter", "--target", String(pid), ...namespaces, "--", ...command];
}

/** Runs a shell script inside, as root. The script comes over stdin: it is in no argument list. */
export function runInside(
  sandbox: Sandbox,
  kind: SandboxKind | "network",
  script: string,
): Promise<CommandResult> {
  const [file = "", ...args] = inside(sandbox.process.pid, kind, ["sh", "-e", "-s"]);
  return runCommand(file, args, { input: script });
}
