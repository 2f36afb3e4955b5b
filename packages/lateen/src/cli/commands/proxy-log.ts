/** `proxy-config log`: reads and sets Envoy's log levels (features row 24). */
import { booleanFlag, type Command, stringFlag, UserError } from "../command.ts";
import { resolvePod } from "./resolve-pod.ts";

const LEVELS = ["trace", "debug", "info", "warning", "error", "critical", "off"];

export const logLevelsCommand: Command = {
  name: "log",
  aliases: ["o"],
  summary: "Reads or sets the log levels of one Envoy",
  positionals: [{ name: "pod-name[.namespace]", required: true, completes: "proxy" }],
  flags: [
    {
      name: "level",
      kind: "string",
      description: "One level for all loggers, or logger:level pairs, comma separated",
    },
    { name: "reset", short: "r", kind: "boolean", description: "Back to warning for all loggers" },
  ],
  examples: [
    "lateen pc log sleep-6c5f-x2x4z",
    "lateen pc log sleep-6c5f-x2x4z --level debug",
    "lateen pc log sleep-6c5f-x2x4z --level http:debug,router:trace",
  ],
  async run(ctx, call) {
    const mesh = await ctx.mesh();
    const pod = await resolvePod(ctx, mesh, call.args[0] ?? "");
    const wanted = booleanFlag(call, "reset") ? "warning" : stringFlag(call, "level");
    const path = wanted === undefined ? "logging" : `logging?${levelQuery(wanted)}`;
    const answer = await mesh.envoyAdmin(pod, "POST", path);
    ctx.stdout.write(`${pod.name}.${pod.namespace}:\n${answer}`);
    return 0;
  },
};

function levelQuery(text: string): string {
  const parts = text.split(",").map(part => part.trim());
  if (parts.length === 1 && !text.includes(":")) return `level=${checkLevel(text)}`;
  const pairs = parts.map(part => {
    const [logger = "", level] = part.split(":");
    if (level === undefined) {
      throw new UserError(`--level "${text}" mixes a level for all with levels for some`);
    }
    return `${logger}:${checkLevel(level)}`;
  });
  return `paths=${encodeURIComponent(pairs.join(","))}`;
}

function checkLevel(level: string): string {
  if (!LEVELS.includes(level)) {
    throw new UserError(`"${level}" is not a log level of Envoy; one of ${LEVELS.join(", ")}`);
  }
  return level;
}
