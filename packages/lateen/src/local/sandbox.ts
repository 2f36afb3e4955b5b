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

/** Volumes of a pod, as all its containers see them; nothing in it is followed by us. */
export const VOLUME_ROOT = "/run/lateen/volumes";

/** Its own processes in /proc, its own /run; the machine's /dev is still there. */
const OWN_RUN = `
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t tmpfs -o mode=0755,size=16m,nosuid,nodev lateen /run
[ /var/run -ef /run ] || [ ! -d /var/run ] || mount --bind /run /var/run
`;
const OWN_DEV = `
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

/**
 * What a pod sees in place of the machine's: its own /run (its files are there, and the host's
 * sockets are not), its own processes in /proc, no disks in /dev, a /sys that can only be read. Volumes
 * are in a file system of their own, which is all that applications and proxy share.
 */
const POD_MOUNTS = `${OWN_RUN}
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys
${OWN_DEV}
mkdir -p ${VOLUME_ROOT}
mount -t tmpfs -o mode=0755,size=1g,nosuid,nodev lateen ${VOLUME_ROOT}
`;

/**
 * The same once more for the pod's proxy, made before an application runs: what is written to its /run,
 * and what it keeps in memory, no other container of the pod has a way to.
 */
const PROXY_MOUNTS = `
exec 3<${VOLUME_ROOT}
${OWN_RUN}
mkdir -p ${VOLUME_ROOT}
mount --no-canonicalize --bind /proc/self/fd/3 ${VOLUME_ROOT}
exec 3<&-
${OWN_DEV}
`;

/** The first process of a pod: what loses its parent there becomes its child, and is forgotten. */
const INIT = "exec env --ignore-signal=CHLD sleep infinity";

/** The namespaces of processes end with the process that has made them, and with these all in them. */
function namespacesOf(kind: SandboxKind, pod: Sandbox | undefined): readonly string[] {
  if (kind === "node") return ["unshare", "--net", "sleep", "infinity"];
  const processes = ["--pid", "--fork", "--kill-child", "sh", "-e", "-c"];
  const mounts = ["--mount", "--propagation", "slave"];
  if (pod === undefined)
    return [
      ...["unshare", "--net", "--uts", "--ipc", ...mounts],
      ...[...processes, `${POD_MOUNTS}${INIT}`],
    ];
  return inside(pod.process.pid, "pod", [
    ...["unshare", ...mounts, ...processes, `${PROXY_MOUNTS}${INIT}`],
  ]);
}

/** `pod`: the new one is for its proxy, and shares all but files and processes with it. */
export async function startSandbox(
  record: ProcessRecord,
  kind: SandboxKind,
  role: string,
  logFd: number | "ignore",
  pod?: Sandbox,
): Promise<Sandbox | { readonly error: string }> {
  const process = await launch(record, namespacesOf(kind, pod), {
    role,
    sandbox: true,
    env: { PATH: SYSTEM_PATH },
    stdout: logFd,
    stderr: logFd,
  });
  const own = networkNamespaceOf("self");
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline && process.exit === undefined) {
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
  const shell = ["sh", "-e", "-s"];
  const { pid } = sandbox.process;
  const command = kind === "pod" ? amongProcesses(pid, shell) : inside(pid, kind, shell);
  const [file = "", ...args] = command;
  return runCommand(file, args, { input: script });
}

/** The command itself is among the processes of the pod: /proc/self is there for it. */
function amongProcesses(pid: number, command: readonly string[]): readonly string[] {
  const processes = `--pid=/proc/${pid}/ns/pid_for_children`;
  return ["nsenter", "--target", String(pid), ...POD_NAMESPACES, processes, "--", ...command];
}
