/** `lateen exec`. */
import { booleanFlag, type Command, stringFlag, UserError } from "../command.ts";
import { resolvePod } from "./resolve-pod.ts";

const CONTAINER = {
  name: "container",
  short: "c",
  kind: "string",
  description: "Container in the pod; the first one of the application by default",
} as const;

export const execCommand: Command = {
  name: "exec",
  summary: "Runs a command in a pod",
  positionals: [{ name: "pod", required: true, completes: "pod" }],
  passThrough: true,
  flags: [
    CONTAINER,
    { name: "stdin", short: "i", kind: "boolean", description: "Pass standard input on" },
    { name: "tty", short: "t", kind: "boolean", description: "As in a terminal" },
  ],
  examples: [
    "lateen exec sleep-6c5f-x2x4z -- curl -s demoappv10:8080",
    "lateen exec -it deploy/sleep -- sh",
  ],
  async run(ctx, call) {
    const [name = "", ...words] = call.args;
    const command = call.trailing ?? words;
    if (command.length === 0)
      throw new UserError("exec needs a command", "lateen exec POD -- COMMAND");
    const mesh = await ctx.mesh();
    const pod = await resolvePod(ctx, mesh, name);
    return mesh.exec(pod, {
      command,
      container: stringFlag(call, "container"),
      stdin: booleanFlag(call, "stdin"),
      tty: booleanFlag(call, "tty"),
    });
  },
};
