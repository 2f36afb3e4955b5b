/** Runs a command of `lateen` in this process: as good as a process of its own, and much sooner there. */
import type { Command } from "../../src/cli/command.ts";
import type { CliContext } from "../../src/cli/context.ts";
import { createRoot, runCli } from "../../src/cli/main.ts";
import type { Ran } from "./kube-cluster.ts";

/** For commands that need no mesh, file or terminal. */
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
    meshName: undefined,
    home: undefined,
    mesh: never,
    readFile: never,
    objectFiles: never,
    readStdin: never,
    interrupted: never,
    namespace: "default",
    compat: undefined,
  };
  const { stdout, stderr } = context;
  const host = { root: createRoot([command]), stdout, stderr, createContext: () => context };
  const code = await runCli([command.name, ...words], host);
  return { code, ...said };
}
