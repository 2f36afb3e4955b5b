import {
  type Command,
  type Flag,
  type FlagValues,
  type Invocation,
  NotOursError,
  UserError,
} from "./command.ts";
import { applyCommand } from "./commands/apply.ts";
import { completionCommand } from "./commands/completion.ts";
import { deleteCommand } from "./commands/delete.ts";
import { execCommand } from "./commands/exec.ts";
import { experimentalCommand } from "./commands/experimental.ts";
import { getCommand } from "./commands/get.ts";
import { labelCommand } from "./commands/label.ts";
import { logsCommand } from "./commands/logs.ts";
import { portForwardCommand } from "./commands/port-forward.ts";
import { proxyConfigCommand } from "./commands/proxy-config.ts";
import { proxyStatusCommand } from "./commands/proxy-status.ts";
import { versionCommand } from "./commands/version.ts";
import { completions } from "./complete.ts";
import type { CliContext, Output } from "./context.ts";
import { renderHelp } from "./help.ts";
import { IMPERSONATION_FLAGS, LOG_FLAGS } from "./istioctl-flags.ts";
import { kubectlLine } from "./kubectl.ts";
import { commandPath, parseCommandLine } from "./parse.ts";

export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: "namespace", short: "n", kind: "string", description: "Namespace of the objects" },
  {
    name: "compat",
    kind: "string",
    description: "Print tables as an older istioctl did",
    values: ["1.12", "1.14"],
  },
  { name: "mesh", kind: "string", description: "Name of the local mesh, where there are several" },
  {
    name: "kubeconfig",
    short: "c",
    kind: "string",
    description: "Kubeconfig of a Kubernetes cluster (default: $KUBECONFIG, ~/.kube/config)",
  },
  { name: "context", kind: "string", description: "Context of the kubeconfig" },
  {
    name: "istioNamespace",
    short: "i",
    kind: "string",
    // Without a default: an IstioOperator file may name the namespace, too, and who said what counts.
    description: "Namespace of the control plane in a Kubernetes cluster (default: istio-system)",
  },
  ...IMPERSONATION_FLAGS,
  ...LOG_FLAGS,
];

export interface OutsideCommands {
  /** Below `experimental`. */
  readonly experimental?: readonly Command[];
  /** What `apply` does with IstioOperator files. */
  readonly install?: NonNullable<Command["run"]>;
}

/** Only its name: `help COMMAND` is read as `COMMAND --help`. */
const HELP_COMMAND: Command = {
  name: "help",
  summary: "Help about a command",
  positionals: [{ name: "command", required: false, rest: true }],
};

/** The whole command tree. `processes` are the commands that start things: they come from outside. */
export function createRoot(processes: readonly Command[], more: OutsideCommands = {}): Command {
  return {
    name: "lateen",
    summary: "A service mesh that speaks Istio's API",
    description:
      "Lateen runs and inspects a service mesh that speaks Istio's API, with upstream Envoy as the\nproxy. Its commands, flags and tables are istioctl's and kubectl's.",
    examples: ["lateen up", "lateen apply -f samples/demoapp/", "lateen ps"],
    subcommands: [
      ...processes,
      applyCommand(more.install),
      completionCommand,
      deleteCommand,
      execCommand,
      experimentalCommand(more.experimental),
      getCommand,
      HELP_COMMAND,
      labelCommand,
      logsCommand,
      portForwardCommand,
      proxyConfigCommand,
      proxyStatusCommand,
      versionCommand,
    ].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

export interface CliHost {
  readonly root: Command;
  readonly stdout: Output;
  readonly stderr: Output;
  createContext(flags: FlagValues): CliContext;
  /** How kubectl is called for the mesh at hand, e.g. `kubectl --kubeconfig FILE`. */
  kubectl?(): string;
}

/** Runs one command line; resolves to the exit code. Bugs are thrown, people's mistakes printed. */
export async function runCli(words: readonly string[], host: CliHost): Promise<number> {
  if (words[0] === "__complete") {
    const ctx = host.createContext({});
    const found = await completions(host.root, GLOBAL_FLAGS, words.slice(1), ctx);
    host.stdout.write(found.map(word => `${word}\n`).join(""));
    return 0;
  }
  if (words[0] === "--version") {
    host.stdout.write(`${host.createContext({}).version}\n`);
    return 0;
  }
  try {
    const asked = words[0] === "help" ? [...words.slice(1), "--help"] : words;
    const { path, command, call, help } = parseCommandLine(host.root, GLOBAL_FLAGS, asked);
    if (help || command.run === undefined) return showHelp(path, call, help, host);
    return await command.run(host.createContext(call.flags), call);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    host.stderr.write(`${error.message}\n`);
    const line =
      error instanceof NotOursError ? kubectlLine(host.kubectl?.() ?? "kubectl", words) : undefined;
    if (error.hint !== undefined) host.stderr.write(`${error.hint}\n`);
    if (line !== undefined) host.stderr.write(`kubectl may do it: ${line}\n`);
    return 1;
  }
}

function showHelp(
  path: readonly Command[],
  call: Invocation,
  asked: boolean,
  host: CliHost,
): number {
  const text = renderHelp(path, GLOBAL_FLAGS);
  // As kubectl and istioctl: the name of a group of commands alone asks for help.
  if (asked || call.args.length === 0) {
    host.stdout.write(text);
    return 0;
  }
  const extra = call.args[0];
  host.stderr.write(text);
  if (extra !== undefined) {
    host.stderr.write(`\n"${commandPath(path)}" has no command "${extra}"\n`);
  }
  return 1;
}
