/** `lateen logs`: by Kubernetes' log API, which a local mesh serves, too. */
import { parseDurationMs } from "../../api/duration.ts";
import type { JsonObject } from "../../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../sources/json.ts";
import {
  booleanFlag,
  type Command,
  type Invocation,
  numberFlag,
  stringFlag,
  UserError,
} from "../command.ts";
import type { CliContext, MeshAccess, PodRef } from "../context.ts";
import { apiError } from "../objects/discover.ts";
import { resolvePod, selectPods } from "./resolve-pod.ts";

const PROXY = "istio-proxy";
/** As kubectl: where nobody says how many lines of each of the selected pods. */
const TAIL_OF_SELECTED = 10;

export const logsCommand: Command = {
  name: "logs",
  aliases: ["log"],
  summary: "Shows what a container printed",
  positionals: [{ name: "pod", required: false, completes: "pod" }],
  flags: [
    {
      name: "container",
      short: "c",
      kind: "string",
      description: "Container in the pod; the first one of the application by default",
    },
    { name: "all-containers", kind: "boolean", description: "Of all containers of the pod" },
    { name: "selector", short: "l", kind: "string", description: "Of all pods with these labels" },
    { name: "follow", short: "f", kind: "boolean", description: "Go on as it prints" },
    {
      name: "tail",
      kind: "number",
      description: "Only the last lines; -1: all (default: all, with --selector 10)",
    },
    { name: "since", kind: "string", description: "Only what is not older, e.g. 90s, 5m, 2h" },
    { name: "since-time", kind: "string", description: "The same, by a time (RFC 3339)" },
    { name: "timestamps", kind: "boolean", description: "With the time before each line" },
    { name: "prefix", kind: "boolean", description: "With pod and container before each line" },
    {
      name: "previous",
      short: "p",
      kind: "boolean",
      description: "Of the run before the last restart",
    },
  ],
  examples: [
    "lateen logs sleep-6c5f-x2x4z -c istio-proxy",
    "lateen logs -f deploy/demoappv10",
    "lateen logs -l app=demoapp --since 5m --prefix",
  ],
  async run(ctx, call) {
    const query = queryOf(call);
    const mesh = await ctx.mesh();
    const pods = await podsOf(ctx, mesh, call);
    const logs = (await Promise.all(pods.map(pod => containersOf(mesh, pod, call)))).flat();
    const until = booleanFlag(call, "follow") ? ctx.interrupted() : new Promise<void>(() => {});
    const copy = (log: PodLog): Promise<void> => copyLog(ctx, mesh, { log, query, until });
    if (booleanFlag(call, "follow")) await Promise.all(logs.map(copy));
    else for (const log of logs) await copy(log);
    return 0;
  },
};

/** What is asked of each log; throws UserError where that makes no sense. */
function queryOf(call: Invocation): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of ["follow", "previous", "timestamps"])
    if (booleanFlag(call, name)) query.set(name, "true");
  const tail =
    numberFlag(call, "tail") ??
    (stringFlag(call, "selector") === undefined ? -1 : TAIL_OF_SELECTED);
  if (!Number.isInteger(tail) || tail < -1)
    throw new UserError(`--tail is "${tail}"; it must be a number of lines, or -1 for all`);
  if (tail >= 0) query.set("tailLines", String(tail));
  const [since, time] = [stringFlag(call, "since"), stringFlag(call, "since-time")];
  if (since !== undefined && time !== undefined)
    throw new UserError("--since and --since-time are two ways to say the same: give one of them");
  if (since !== undefined) query.set("sinceSeconds", String(secondsOf(since)));
  if (time !== undefined) query.set("sinceTime", time);
  return query;
}

function secondsOf(since: string): number {
  const ms = parseDurationMs(since);
  if (ms === undefined || ms <= 0)
    throw new UserError(`--since is "${since}"; it must be a duration such as 90s, 5m or 1h30m`);
  return Math.ceil(ms / 1000);
}

async function podsOf(
  ctx: CliContext,
  mesh: MeshAccess,
  call: Invocation,
): Promise<readonly PodRef[]> {
  const [name] = call.args;
  const selector = stringFlag(call, "selector");
  if (name !== undefined && selector !== undefined)
    throw new UserError("a pod and --selector both say whose log: give one of them");
  if (selector === undefined) {
    if (name !== undefined) return [await resolvePod(ctx, mesh, name)];
    throw new UserError("logs needs a pod, or --selector", "lateen logs POD, or -l app=NAME");
  }
  const pods = await selectPods(mesh, ctx.namespace, selector);
  if (pods.length === 0)
    throw new UserError(`no pod in namespace "${ctx.namespace}" has ${selector}`);
  return pods;
}

interface PodLog {
  readonly pod: PodRef;
  readonly container: string;
  /** Before each of its lines. */
  readonly prefix: string;
}

async function containersOf(mesh: MeshAccess, pod: PodRef, call: Invocation): Promise<PodLog[]> {
  const answer = await mesh.api({ method: "GET", path: pathOf(pod) });
  if (answer.status !== 200) throw apiError(answer.body, answer.status);
  const asked = stringFlag(call, "container");
  const all = booleanFlag(call, "all-containers");
  if (all && asked !== undefined)
    throw new UserError("--all-containers and --container exclude each other: give one of them");
  const found = answer.body as JsonObject;
  const names = all ? namesIn(found) : [asked ?? defaultContainer(found)];
  return names.map(container => ({
    pod,
    container,
    prefix: booleanFlag(call, "prefix") ? `[pod/${pod.name}/${container}] ` : "",
  }));
}

function namesIn(pod: JsonObject): string[] {
  return ["initContainers", "containers"]
    .flatMap(list => arrayAt(objectAt(pod, "spec"), list))
    .filter(isObject)
    .map(each => stringAt(each, "name"));
}

/** The one that the pod names, as kubectl; then the first one that is no sidecar of the mesh. */
function defaultContainer(pod: JsonObject): string {
  const annotations = objectAt(objectAt(pod, "metadata"), "annotations");
  const said = stringAt(annotations, "kubectl.kubernetes.io/default-container");
  const names = namesIn({ spec: { containers: arrayAt(objectAt(pod, "spec"), "containers") } });
  if (names.includes(said)) return said;
  return names.find(name => name !== PROXY) ?? names[0] ?? "";
}

interface Copy {
  readonly log: PodLog;
  readonly query: URLSearchParams;
  readonly until: Promise<void>;
}

async function copyLog(ctx: CliContext, mesh: MeshAccess, { log, query, until }: Copy) {
  const { pod, container, prefix } = log;
  const asked = new URLSearchParams([["container", container], ...query]);
  const path = `${pathOf(pod)}/log?${asked}`;
  const onText = prefix === "" ? ctx.stdout.write.bind(ctx.stdout) : prefixed(ctx, prefix);
  const refused = await mesh.readText({ method: "GET", path, accept: "*/*" }, { onText, until });
  if (refused === undefined) return;
  const { message } = apiError(refused.body, refused.status);
  const why = `its status says why: lateen get pod ${pod.name} -n ${pod.namespace} -o yaml`;
  throw new UserError(message, message.includes("waiting to start") ? why : undefined);
}

/** Whole lines, so that those of several logs do not end up in one. */
function prefixed(ctx: CliContext, prefix: string): (text: string) => void {
  let begun = "";
  return text => {
    const lines = (begun + text).split("\n");
    begun = lines.pop() ?? "";
    ctx.stdout.write(lines.map(line => `${prefix}${line}\n`).join(""));
  };
}

function pathOf({ namespace, name }: PodRef): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
}
