/** The `lateen` program: the command tree with its real context. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type FlagValues, UserError } from "../cli/command.ts";
import type { CliContext, Output } from "../cli/context.ts";
import { createRoot, runCli } from "../cli/main.ts";
import { discoveryCommand } from "./discovery-command.ts";
import { downCommand } from "./down-command.ts";
import { openLocalMesh } from "./local-mesh.ts";
import { DEFAULT_MESH, isMeshName } from "./mesh-home.ts";
import { upCommand } from "./up-command.ts";

const packageFile = join(import.meta.dirname, "../../package.json");
const { version } = JSON.parse(readFileSync(packageFile, "utf8")) as { version: string };

const stdout: Output = { write: text => void process.stdout.write(text) };
const stderr: Output = { write: text => void process.stderr.write(text) };

function createContext(flags: FlagValues): CliContext {
  const text = (name: string) => (typeof flags[name] === "string" ? flags[name] : undefined);
  const meshName = text("mesh") ?? process.env["LATEEN_MESH"] ?? DEFAULT_MESH;
  if (!isMeshName(meshName)) {
    throw new UserError(`"${meshName}" is no name for a mesh: up to 15 of a-z, 0-9 and -`);
  }
  const compat = flags["compat"];
  return {
    stdout,
    stderr,
    version,
    now: () => Date.now(),
    mesh: async () => openLocalMesh(process.env["LATEEN_HOME"], meshName),
    meshName,
    home: process.env["LATEEN_HOME"],
    readFile: file =>
      readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
        throw new UserError(`${file} can not be read: ${error.code ?? error.message}`);
      }),
    readStdin,
    namespace: text("namespace") ?? "default",
    compat: compat === "1.12" || compat === "1.14" ? compat : undefined,
  };
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

const root = createRoot([upCommand, downCommand, discoveryCommand]);
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of a pipe has seen enough.
  if (error.code === "EPIPE") process.exit(0);
});
process.exitCode = await runCli(process.argv.slice(2), { root, stdout, stderr, createContext });
