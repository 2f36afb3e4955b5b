import { type CommandResult, runCommand } from "./command.ts";
import { pause } from "./pause.ts";
import { childOf, networkNamespaceOf, type ProcessId, programOf, startTimeOf } from "./proc.ts";
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
  /** First process of a pod's own namespace of processes, and the last one of it to be gone. */
  readonly init: ProcessId | undefined;
  readonly networkNamespace: string;
}

export type SandboxKind = "pod" | "node";

/**
 * What a pod sees in place of the machine's: its own /run (its secrets are there, and the host's
 * sockets are not), its own processes in /proc, no disks in /dev, a /sys that can only be read.
 */
const POD_MOUNTS = `
mount -t tmpfs -o mode=0755,size=16m,nosuid,nodev lateen /run
[ /var/run -ef /run ] || [ ! -d /var/run ] || mount --bind /run /var/run
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys
mkdir -p /run/lateen/dev
mount -t tmpfs -o mode=0755,size=64k,nosuid,noexec lateen /run/lateen/dev
cd /run/lateen/dev
mkdir pts shm
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx .
cp -a /dev/fd /dev/stdin /dev/stdout /dev/stderr .
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts pts
mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev lateen shm
mount --move /run/lateen/dev /dev
cd /
rmdir /run/lateen/dev
`;

/** The first process of a pod: what loses its parent there becomes its child, and is forgotten. */
const INIT = "exec env --ignore-signal=CHLD sleep infinity";

/** The namespaces of processes end with the process that has made them, and with these all in them. */
const POD_COMMAND = [
  ...["unshare", "--net", "--uts", "--ipc", "--mount", "--propagation", "slave"],
  ...["--pid", "--fork", "--kill-child", "sh", "-e", "-c", `${POD_MOUNTS}${INIT}`],
];
const NODE_COMMAND = ["unshare", "--net", "sleep", "infinity"];

export async function startSandbox(
  record: ProcessRecord,
  kind: SandboxKind,
  role: string,
  logFd: number | "ignore",
): Promise<Sandbox | { readonly error: string }> {
  const process = await launch(record, kind === "pod" ? POD_COMMAND : NODE_COMMAND, {
    role,
    sandbox: true,
    env: { PATH: SYSTEM_PATH },
    stdout: logFd,
    stderr: logFd,
  });
  const own = networkNamespaceOf("self");
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline && process.exit === undefined) {
    const networkNamespace = networkNamespaceOf(process.pid);
    const separate = networkNamespace !== undefined && networkNamespace !== own;
    const first = kind === "pod" ? childOf(process.pid) : process.pid;
    const startTime = first === undefined ? undefined : startTimeOf(first);
    if (
      separate &&
      first !== undefined &&
      startTime !== undefined &&
      programOf(first) === "sleep"
    ) {
      const init = kind === "pod" ? { pid: first, startTime } : undefined;
      if (init !== undefined) record.add({ ...init, role: `init of ${role}`, sandbox: false });
      return { process, init, networkNamespace };
    }
    await pause(POLL_MS);
  }
  process.signal("SIGKILL");
  const why = process.exit === undefined ? "did not start in time" : `exit ${process.exit.code}`;
  return { error: `the namespaces of ${role} could not be made (${why})` };
}

/** Where system programs are on every distribution; nothing of the user's. */
export const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The command that runs `command` inside the sandbox: not among its processes, which it outlives. */
export function inside(
  pid: number,
  kind: SandboxKind | "network",
  command: readonly string[],
): readonly string[] {
  const namespaces = kind === "pod" ? POD_NAMESPACES : ["--net"];
  return ["nsenter", "--target", String(pid), ...namespaces, "--", ...command];
}

const POD_NAMESPACES = ["--net", "--uts", "--ipc", "--mount"];

/**
 * The same for a command whose children shall be among the processes of the pod; `pid` is the sandbox
 * or any process in it. It itself is not among them, and can have no threads.
 */
export function parentInside(pid: number, command: readonly string[]): readonly string[] {
  // The sandbox itself is outside: only its children are in the namespace of processes it has made.
  const processes = `--pid=/proc/${pid}/ns/pid_for_children`;
  const namespaces = [...POD_NAMESPACES, processes, "--no-fork"];
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
