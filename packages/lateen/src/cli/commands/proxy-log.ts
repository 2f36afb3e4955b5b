/** `proxy-config log`: reads and sets Envoy's log levels (features row 24). */
import { nearest } from "../../base/nearest.ts";
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
    const query = wanted === undefined ? undefined : levelQuery(wanted);
    // Envoy answers a logger that it does not have by its usage: they are looked at before.
    const before = await mesh.envoyAdmin(pod, "POST", "logging");
    const unknown = query === undefined ? [] : unknownLoggers(query.loggers, before);
    if (unknown.length > 0) throw noSuchLogger(unknown, loggersIn(before));
    const answer =
      query === undefined ? before : await mesh.envoyAdmin(pod, "POST", `logging?${query.text}`);
    ctx.stdout.write(`${pod.name}.${pod.namespace}:\n${answer}`);
    return 0;
  },
};

/** Lines `  name: level` under `active loggers:`. */
function loggersIn(answer: string): string[] {
  return [...answer.matchAll(/^\s+(\S+): \w+$/gm)].map(match => match[1] ?? "");
}

function unknownLoggers(wanted: readonly string[], answer: string): string[] {
  const known = new Set(loggersIn(answer));
  return known.size === 0 ? [] : wanted.filter(name => !known.has(name));
}

function noSuchLogger(unknown: readonly string[], known: readonly string[]): UserError {
  const [first = ""] = unknown;
  const near = nearest(first, known);
  const within = known.filter(name => name.includes(first) || first.includes(name));
  const hint =
    near !== undefined
      ? `did you mean "${near}"?`
      : within.length > 0 && first !== ""
        ? `names like it: ${within.join(", ")}`
        : `loggers: ${known.join(", ")}`;
  return new UserError(`this Envoy has no logger ${unknown.map(n => `"${n}"`).join(", ")}`, hint);
}

interface LevelQuery {
  readonly text: string;
  /** Those that are named. */
  readonly loggers: readonly string[];
}

function levelQuery(text: string): LevelQuery {
  const parts = text.split(",").map(part => part.trim());
  if (parts.length === 1 && !text.includes(":")) {
    return { text: `level=${checkLevel(text)}`, loggers: [] };
  }
  const loggers: string[] = [];
  const pairs = parts.map(part => {
    const [logger = "", level] = part.split(":");
    if (level === undefined) {
      throw new UserError(`--level "${text}" mixes a level for all with levels for some`);
    }
    loggers.push(logger);
    return `${logger}:${checkLevel(level)}`;
  });
  return { text: `paths=${encodeURIComponent(pairs.join(","))}`, loggers };
}

function checkLevel(level: string): string {
  if (!LEVELS.includes(level)) {
    throw new UserError(`"${level}" is not a log level of Envoy; one of ${LEVELS.join(", ")}`);
  }
  return level;
}
