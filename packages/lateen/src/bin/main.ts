/** The `lateen` program: the command tree with its real context. */
import { readFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type FlagValues, UserError } from "../cli/command.ts";
import type { CliContext, Output } from "../cli/context.ts";
import { shellWord } from "../cli/kubectl.ts";
import { runCli } from "../cli/main.ts";
import { ProxyPort } from "../proxy/ports.ts";
import { root } from "./command-tree.ts";
import { chosenMesh, isMeshName, meshHome, runningState } from "./mesh-home.ts";

const packageFile = join(import.meta.dirname, "../../package.json");
const { version } = JSON.parse(readFileSync(packageFile, "utf8")) as { version: string };

const stdout: Output = { write: text => void process.stdout.write(text) };
const stderr: Output = { write: text => void process.stderr.write(text) };

function createContext(flags: FlagValues): CliContext {
  const text = (name: string) => (typeof flags[name] === "string" ? flags[name] : undefined);
  const meshName = text("mesh") ?? (process.env["LATEEN_MESH"] || undefined);
  if (meshName !== undefined && !isMeshName(meshName)) {
    throw new UserError(`"${meshName}" is no name for a mesh: up to 15 of a-z, 0-9 and -`);
  }
  const { compat, "proxy-admin-port": adminPort } = flags;
  return {
    stdout,
    stderr,
    version,
    now: () => Date.now(),
    pause: ms => setTimeout(ms),
    mesh: async () => {
      // Loaded only here, as everything that not every command needs: people wait for each of them.
      const { openMesh } = await import("./open-mesh.ts");
      const { personsCluster } = await import("./open-cluster.ts");
      const { sayOnce, whichMesh } = await import("./which-mesh.ts");
      const home = process.env["LATEEN_HOME"];
      const which = whichMesh(flags, home);
      // Completion prints words for a shell, and nobody reads along.
      if (process.argv[2] !== "__complete") sayOnce(stderr, which.note);
      return openMesh({
        which,
        home,
        cluster: personsCluster(flags),
        systemNamespace: text("istioNamespace") || "istio-system",
        revision: text("revision"),
        adminPort: typeof adminPort === "number" ? adminPort : ProxyPort.admin,
      });
    },
    meshName,
    home: process.env["LATEEN_HOME"],
    readFile: file => readFile(file, "utf8").catch(error => unreadable(file, error)),
    objectFiles,
    readStdin,
    interrupted,
    namespace: text("namespace") ?? "default",
    compat: compat === "1.12" || compat === "1.14" ? compat : undefined,
  };
}

const OBJECT_FILE = /\.(ya?ml|json)$/;

async function objectFiles(path: string, recursive: boolean): Promise<readonly string[]> {
  const found = await stat(path).catch(error => unreadable(path, error));
  if (!found.isDirectory()) return [path];
  const names = await readdir(path, { recursive }).catch(error => unreadable(path, error));
  return names
    .filter(name => OBJECT_FILE.test(name))
    .sort()
    .map(name => join(path, name));
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
};

function unreadable(path: string, error: NodeJS.ErrnoException): never {
  const reason = REASONS[error.code ?? ""] ?? error.message;
  throw new UserError(`${path} can not be read: ${reason}`);
}

const SYSTEM_PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "not permitted",
  ENOSPC: "no space is left",
  EROFS: "the file system is read-only",
  EMFILE: "too many open files",
};

/** What the machine does not let us do is no bug: one line instead of a stack. */
function systemProblem(error: NodeJS.ErrnoException): number {
  const problem = SYSTEM_PROBLEMS[error.code ?? ""];
  if (problem === undefined || error.syscall === undefined) throw error;
  stderr.write(`${[error.syscall, error.path].filter(Boolean).join(" ")}: ${problem}\n`);
  if (process.getuid?.() !== 0) stderr.write("local meshes are root's: run it with sudo\n");
  return 1;
}

/** A second Ctrl-C ends the process as it does any other. */
function interrupted(): Promise<void> {
  return new Promise(done => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => done());
  });
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of a pipe has seen enough.
  if (error.code === "EPIPE") process.exit(0);
});
/** A mesh of this machine has written a kubeconfig; without one, kubectl finds its own. */
function kubectl(): string {
  const home = process.env["LATEEN_HOME"];
  try {
    const chosen = chosenMesh(home, process.env["LATEEN_MESH"] || undefined);
    if ("name" in chosen && runningState(meshHome(home, chosen.name)) !== undefined)
      return `kubectl --kubeconfig ${shellWord(meshHome(home, chosen.name).kubeconfigFile)}`;
  } catch {
    // What meshes keep is root's.
  }
  return "kubectl";
}

const host = { root, stdout, stderr, createContext, kubectl };
process.exitCode = await runCli(process.argv.slice(2), host).catch(systemProblem);
