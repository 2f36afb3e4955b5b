/** `proxy-config log`: reads and sets Envoy's log levels (features row 24). */
import { nearest } from "../../base/nearest.ts";
import { booleanFlag, type Command, type Invocation, stringFlag, UserError } from "../command.ts";
import type { CliContext, MeshAccess, PodRef } from "../context.ts";
import { renderObject } from "../printers/object.ts";
import { PROXY } from "./proxy-dump.ts";
import { resolvePod, selectPods } from "./resolve-pod.ts";

const LEVELS = ["trace", "debug", "info", "warning", "error", "critical", "off"];

export const logLevelsCommand: Command = {
  name: "log",
  aliases: ["o"],
  summary: "Reads or sets the log levels of one Envoy",
  positionals: [PROXY],
  flags: [
    {
      name: "selector",
      short: "l",
      kind: "string",
      description: "All pods of the namespace with these labels",
    },
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
    "lateen pc log -l app=sleep --level debug",
  ],
  async run(ctx, call) {
    const mesh = await ctx.mesh();
    const pods = await podsAsked(ctx, mesh, call);
    const wanted = booleanFlag(call, "reset") ? "warning" : stringFlag(call, "level");
    const query = wanted === undefined ? undefined : levelQuery(wanted);
    const format = stringFlag(call, "output") ?? "short";
    const levels: Record<string, Readonly<Record<string, string>>> = {};
    for (const pod of pods) {
      const name = `${pod.name}.${pod.namespace}`;
      const answer = await logLevels(mesh, pod, query);
      if (format === "short") ctx.stdout.write(`${name}:\n${answer}`);
      levels[name] = Object.fromEntries(loggersIn(answer));
    }
    if (format !== "short") ctx.stdout.write(await renderObject(levels, format));
    return 0;
  },
};

async function podsAsked(
  ctx: CliContext,
  mesh: MeshAccess,
  call: Invocation,
): Promise<readonly PodRef[]> {
  const selector = stringFlag(call, "selector");
  const [name] = call.args;
  if ((name === undefined) === (selector === undefined))
    throw new UserError(
      "proxy-config log wants either a pod or --selector",
      "lateen pc log [TYPE/]NAME[.NAMESPACE], or -l key=value",
    );
  if (selector === undefined) return [await resolvePod(ctx, mesh, name ?? "")];
  const pods = await selectPods(mesh, ctx.namespace, selector);
  if (pods.length > 0) return pods;
  throw new UserError(`no pod in namespace "${ctx.namespace}" has the labels ${selector}`);
}

/** Envoy's answer, after the levels have been set, if any were asked for. */
async function logLevels(
  mesh: MeshAccess,
  pod: PodRef,
  query: LevelQuery | undefined,
): Promise<string> {
  // Envoy answers a logger that it does not have by its usage: they are looked at before.
  const before = await mesh.envoyAdmin(pod, "POST", "logging");
  if (query === undefined) return before;
  const unknown = unknownLoggers(query.loggers, before);
  if (unknown.length > 0) throw noSuchLogger(unknown, loggerNames(before));
  return mesh.envoyAdmin(pod, "POST", `logging?${query.text}`);
}

/** Lines `  name: level` under `active loggers:`. */
function loggersIn(answer: string): [name: string, level: string][] {
  return [...answer.matchAll(/^\s+(\S+): (\w+)$/gm)].map(([, name = "", level = ""]) => [
    name,
    level,
  ]);
}

function loggerNames(answer: string): string[] {
  return loggersIn(answer).map(([name]) => name);
}

function unknownLoggers(wanted: readonly string[], answer: string): string[] {
  const known = new Set(loggerNames(answer));
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
