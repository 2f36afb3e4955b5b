/** The program of a container: started inside its pod, signalled and awaited from outside. */
import { asUser, type ContainerUser } from "./container-user.ts";
import { pause } from "./pause.ts";
import { childOf, leadsGroup, type ProcessId, startTimeOf } from "./proc.ts";
import { type Exit, type LaunchOptions, launch, signalGroup } from "./process.ts";
import type { ProcessRecord } from "./process-record.ts";
import { parentInside, SYSTEM_PATH } from "./sandbox.ts";

/** What a container runs. */
export interface ContainerCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly user: ContainerUser;
}

/**
 * A shell that stays outside the pod's namespace of processes and waits: it ends as the program has
 * ended (128 and the signal's number), and says nothing about it in the program's own output.
 */
const WAIT = 'exec 4>&2 2>/dev/null; setsid "$@" 2>&4 4>&-; exit $?';
/** The same in the process group, and on the terminal, of the caller; the program is interrupted alone. */
const WAIT_ATTACHED = 'exec 4>&2 2>/dev/null; trap : INT QUIT TERM; "$@" 2>&4 4>&-; exit $?';

/** How a command line runs: see WAIT and WAIT_ATTACHED. */
export type Attachment = "session" | "attached";

/** A command line, and the environment that it has to be started with. */
export interface EnteringCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Enters the namespaces of a pod, by any process in it, drops to the user and runs the program. What
 * leads there are the system's programs, whatever PATH the container has.
 */
export function enterCommand(
  pid: number,
  command: ContainerCommand,
  attachment: Attachment,
): EnteringCommand {
  const { workingDir, argv, user, env } = command;
  const late = Object.entries(env).filter(([name]) => name === "PATH" || STEERS.test(name));
  const own = [`PWD=${workingDir}`, ...late.map(([name, value]) => `${name}=${value}`)];
  const run = [...asUser(user), "env", "-C", workingDir, ...own, ...notAssigned(argv)];
  const wait = attachment === "session" ? WAIT : WAIT_ATTACHED;
  return {
    argv: parentInside(pid, ["sh", "-c", wait, "wait", ...run]),
    env: { ...withoutSteering(env), PATH: SYSTEM_PATH },
  };
}

/**
 * Variables that make a program load or run something: the machine's own programs, which lead into the
 * pod as root, are started without them. The container's program gets them by its command line.
 */
const STEERS =
  /^(?:LD_|GLIBC_TUNABLES$|GCONV_PATH$|LOCPATH$|MALLOC_|ENV$|BASH_ENV$|BASH_FUNC_|SHELLOPTS$|BASHOPTS$|PS4$|IFS$)/;

function withoutSteering(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !STEERS.test(name)));
}

/** env(1) takes a program with a `=` in its name for one more variable. */
function notAssigned(argv: readonly string[]): readonly string[] {
  const at = argv.findIndex(word => !word.startsWith(`${CONTAINER_VARIABLE}=`));
  const program = argv[at];
  if (program?.includes("=") !== true) return argv;
  return [...argv.slice(0, at), "sh", "-c", 'exec "$@"', "sh", ...argv.slice(at)];
}

export interface ContainerProcess {
  /** Of the program, as the machine counts; of the shell that waited where it ended at once. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly exit: Exit | undefined;
  /** To the program and its process group; nothing happens when it is gone. */
  signal(name: NodeJS.Signals): void;
}

const POLL_MS = 3;

/** In the environment of a container's program, and of all that it starts. */
const CONTAINER_VARIABLE = "LATEEN_CONTAINER";

/** `NAME=value` that marks the processes of a container. */
export function containerMarker(podUid: string, name: string): string {
  return `${CONTAINER_VARIABLE}=${podUid}/${name}`;
}

/** False while what leads to a container's program is still on its way. */
export function hasContainerMarker(env: Readonly<Record<string, string>>): boolean {
  return env[CONTAINER_VARIABLE] !== undefined;
}

/**
 * Starts a container's program, whose environment gets the marker last of all. Resolves when it has a
 * process, or has ended already.
 */
export async function launchContainer(
  record: ProcessRecord,
  sandboxPid: number,
  command: ContainerCommand,
  marker: string,
  options: Omit<LaunchOptions, "env">,
): Promise<ContainerProcess> {
  const marked = { ...command, argv: [marker, ...command.argv] };
  const { argv, env } = enterCommand(sandboxPid, marked, "session");
  const shell = await launch(record, argv, { ...options, env });
  let program: ProcessId | undefined;
  while (program === undefined && shell.exit === undefined) {
    program = programUnder(shell.pid);
    if (program === undefined) await pause(POLL_MS);
  }
  return {
    pid: (program ?? shell).pid,
    exited: shell.exited,
    get exit() {
      return shell.exit;
    },
    signal: name => signalGroup(program ?? shell, name),
  };
}

/** Only once it leads its session: a signal to its group finds it from then on. */
function programUnder(shell: number): ProcessId | undefined {
  const pid = childOf(shell);
  if (pid === undefined || !leadsGroup(pid)) return undefined;
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}
