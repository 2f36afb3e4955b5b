/**
 * Istio's ControlZ as far as istioctl's `admin log` and `dashboard controlz` use it (pkg/ctrlz): the
 * scopes of the log, and how much each says, while the process runs. On loopback of the pod only.
 */
import type { HttpAnswer, HttpRequest, HttpRoute } from "../net/http-server.ts";
import { type LogLevel, logLevels, type RootLog } from "../net/log.ts";
import { text } from "./pages.ts";

/** What is logged without a scope, in Istio's word. */
const DEFAULT_SCOPE = "default";

/** Of every scope; one that was not used yet can be set all the same. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  ads: "streams of proxies: connections, refusals, rejections",
  ca: "the CA: roots, certificates, their Secrets and ConfigMaps",
  default: "the process as a whole",
  files: "configuration from a folder",
  graph: "faults in what is derived from configuration",
  http: "debug, metrics and readiness",
  leader: "which replica leads",
  source: "objects as they are read",
  status: "statuses of objects",
  store: "what outlives the process",
  watch: "lists and watches of the Kubernetes API",
  webhook: "injection and validation",
};

type Levels = Pick<RootLog, "scopes" | "level" | "setLevel">;

/** Istio's (pkg/ctrlz/topics/scopes.go). There are no stack traces by level, and no callers. */
interface ScopeInfo {
  readonly name: string;
  readonly description: string;
  readonly output_level: LogLevel;
  readonly stack_trace_level: "none";
  readonly log_callers: false;
}

export function controlzRoutes(log: Levels): HttpRoute[] {
  const all = (): HttpAnswer => ({ status: 200, json: namesOf(log).map(n => infoOf(log, n)) });
  return [
    { method: "GET", pattern: "/scopej", handle: all },
    { method: "GET", pattern: "/scopej/", handle: all },
    { method: "GET", pattern: "/scopej/:scope", handle: request => one(log, request) },
    { method: "PUT", pattern: "/scopej/:scope", handle: request => change(log, request) },
    { method: "GET", pattern: "/", handle: () => text(200, overview(log)) },
    { method: "GET", pattern: "/scopez/", handle: () => text(200, overview(log)) },
  ];
}

function namesOf(log: Levels): string[] {
  const used = log.scopes().filter(name => name !== "");
  return [...new Set([...used, ...Object.keys(DESCRIPTIONS)])].sort();
}

function infoOf(log: Levels, name: string): ScopeInfo {
  return {
    name,
    description: DESCRIPTIONS[name] ?? "",
    output_level: log.level(ownName(name)),
    stack_trace_level: "none",
    log_callers: false,
  };
}

function ownName(name: string): string {
  return name === DEFAULT_SCOPE ? "" : name;
}

function one(log: Levels, { params }: HttpRequest): HttpAnswer {
  const name = params["scope"] ?? "";
  return namesOf(log).includes(name) ? { status: 200, json: infoOf(log, name) } : unknown(name);
}

function change(log: Levels, { params, body }: HttpRequest): HttpAnswer {
  const name = params["scope"] ?? "";
  const names = namesOf(log);
  if (!names.includes(name)) return unknown(name);
  const wanted = fieldsOf(body);
  if (wanted === undefined) return text(400, "unable to decode request: expected a JSON object\n");
  const { output_level: output = "", stack_trace_level: stack = "", log_callers: callers } = wanted;
  const level = logLevels.find(each => each === output);
  if (output !== "" && level === undefined)
    return text(400, `output_level: expected one of ${logLevels.join(", ")}\n`);
  if ((stack !== "" && stack !== "none") || callers === true)
    return text(400, "stack traces and callers are not logged by scope: expected none\n");
  if (level !== undefined) {
    // A scope that had no level of its own keeps the one that it had, whatever `default` becomes.
    for (const each of names) log.setLevel(log.level(ownName(each)), ownName(each));
    log.setLevel(level, ownName(name));
  }
  return { status: 202, body: "", contentType: "text/plain; charset=utf-8" };
}

function fieldsOf(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function unknown(name: string): HttpAnswer {
  return text(400, `unknown scope name: ${JSON.stringify(name.slice(0, 100))}\n`);
}

function overview(log: Levels): string {
  const lines = namesOf(log).map(name => {
    const { description, output_level } = infoOf(log, name);
    return `${name.padEnd(10)} ${output_level.padEnd(6)} ${description}\n`;
  });
  return `Scopes of the log; istioctl admin log --level SCOPE:LEVEL changes one.\n\n${lines.join("")}`;
}
