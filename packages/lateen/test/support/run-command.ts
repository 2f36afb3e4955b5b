/** Runs a command of `lateen` in this process: as good as a process of its own, and much sooner there. */
import { readFile } from "node:fs/promises";
import type { Command, FlagValues } from "../../src/cli/command.ts";
import type { CliContext } from "../../src/cli/context.ts";
import { createRoot, runCli } from "../../src/cli/main.ts";
import type { Ran } from "./kube-cluster.ts";

/** For commands that need no mesh or terminal. */
export async function runCommand(command: Command, words: readonly string[]): Promise<Ran> {
  const said = { stdout: "", stderr: "" };
  const output = (stream: keyof typeof said) => ({
    write: (text: string): void => {
      said[stream] += text;
    },
  });
  const never = (): Promise<never> => Promise.reject(new Error("this command needs more"));
  const context: CliContext = {
    stdout: output("stdout"),
    stderr: output("stderr"),
    version: "0.1.0",
    now: () => Date.now(),
    pause: () => Promise.resolve(),
    meshName: undefined,
    home: undefined,
    mesh: never,
    readFile: file => readFile(file, "utf8"),
    objectFiles: path => Promise.resolve([path]),
    readStdin: never,
    interrupted: never,
    namespace: "default",
    compat: undefined,
  };
  const { stdout, stderr } = context;
  const createContext = ({ compat }: FlagValues): CliContext => ({
    ...context,
    compat: compat === "1.12" || compat === "1.14" ? compat : undefined,
  });
  const host = { root: createRoot([command]), stdout, stderr, createContext };
  const code = await runCli([command.name, ...words], host);
  return { code, ...said };
}
