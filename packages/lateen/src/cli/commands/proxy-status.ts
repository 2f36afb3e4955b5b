/** `lateen proxy-status` (ps): is every Envoy up to date? Features rows 10 to 13. */
import { type Command, numberFlag, REVISION_FLAG, stringFlag, UserError } from "../command.ts";
import type { CliContext, MeshAccess, PodRef } from "../context.ts";
import { xdsFlags } from "../istioctl-flags.ts";
import { renderObject } from "../printers/object.ts";
import {
  isConnected,
  namespaceOf,
  type Placed,
  parseSyncz,
  statusResponse,
  statusTable,
} from "../printers/status.ts";
import { resolvePod } from "./resolve-pod.ts";

export const proxyStatusCommand: Command = {
  name: "proxy-status",
  aliases: ["ps"],
  summary: "Shows whether every Envoy has its newest configuration",
  description:
    "Shows the state of the last configuration sent to each Envoy:\n" +
    "SYNCED    acknowledged the last one\n" +
    "NOT SENT  nothing to send\n" +
    "STALE     not acknowledged yet\n" +
    "ERROR     rejected; the reason is in the status of the object that caused it\n" +
    "IGNORED   the type is not subscribed\n\n" +
    "With the name of a proxy: what the control plane sends it against what its Envoy has loaded.",
  positionals: [{ name: "[type/]name[.namespace]", required: false, completes: "proxy" }],
  flags: [
    {
      name: "verbosity",
      short: "v",
      kind: "number",
      description: "1: a column for each type",
      default: 0,
    },
    {
      name: "file",
      short: "f",
      kind: "string",
      description: "Compare with Envoy's config dump from a file",
    },
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "Output format",
      default: "table",
      values: ["table", "json", "yaml"],
    },
    REVISION_FLAG,
    ...xdsFlags(),
  ],
  examples: [
    "lateen ps",
    "lateen ps --verbosity 1",
    "lateen ps -n istio-system",
    "lateen ps sleep-6c5f-x2x4z.default",
    "lateen ps deployment/sleep",
    "lateen ps --compat 1.14",
  ],
  async run(ctx, call) {
    const mesh = await ctx.mesh();
    const all = parseSyncz(await mesh.discoveryDebug("/debug/syncz?missing"));
    const name = call.args[0];
    const format = stringFlag(call, "output") ?? "table";
    if (name === undefined) {
      const namespace = stringFlag(call, "namespace");
      const chosen = all.filter(
        each => namespace === undefined || namespaceOf(each.status) === namespace,
      );
      // As istioctl and kubectl: a list may be empty, and that is said and is no error.
      if (chosen.length === 0) ctx.stderr.write(await nobody(mesh, namespace));
      if (chosen.length > 0 || format !== "table")
        await printAll(ctx, chosen, { format, verbosity: numberFlag(call, "verbosity") ?? 0 });
      return 0;
    }
    const pod = await resolvePod(ctx, mesh, name);
    const proxy = `${pod.name}.${pod.namespace}`;
    const found = all.filter(each => each.status.proxy === proxy);
    if (format === "table") {
      if (!found.some(({ status }) => isConnected(status)))
        throw notConnected(proxy, found[0]?.status.waiting);
      ctx.stdout.write(await compare(ctx, mesh, pod, stringFlag(call, "file")));
    } else await printAll(ctx, found, { format, verbosity: 0 });
    return 0;
  },
};

interface Printing {
  readonly format: string;
  readonly verbosity: number;
}

async function printAll(
  ctx: CliContext,
  proxies: readonly Placed[],
  { format, verbosity }: Printing,
): Promise<void> {
  if (format === "table") {
    ctx.stdout.write(statusTable(proxies, { compat: ctx.compat, verbosity }));
    return;
  }
  const byInstance = Map.groupBy(proxies, each => each.istiod);
  const responses = [...byInstance].map(([istiod, placed]) =>
    statusResponse(
      istiod,
      placed.map(each => each.status),
      ctx.now(),
    ),
  );
  const value = responses.length === 1 ? responses[0] : responses;
  ctx.stdout.write(await renderObject(value, format));
}

async function compare(
  ctx: CliContext,
  mesh: MeshAccess,
  pod: PodRef,
  file: string | undefined,
): Promise<string> {
  const path = `/debug/config_dump?proxyID=${pod.name}.${pod.namespace}`;
  const [sent] = [...(await mesh.discoveryDebug(path)).values()].filter(isJson);
  if (sent === undefined) throw notConnected(`${pod.name}.${pod.namespace}`, undefined);
  const loaded =
    file === undefined
      ? await mesh.envoyAdmin(pod, "GET", "config_dump")
      : await (file === "-" ? ctx.readStdin() : ctx.readFile(file));
  if (!isJson(loaded)) {
    throw new UserError(
      `${file ?? "Envoy's answer"} is not an Envoy config dump`,
      "expected the JSON of GET /config_dump",
    );
  }
  const { syncDiff } = await import("../printers/sync-diff.ts");
  return syncDiff(sent, loaded);
}

function isJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null;
  } catch {
    return false;
  }
}

/** Why there is no row. */
async function nobody(mesh: MeshAccess, namespace: string | undefined): Promise<string> {
  const hint =
    "pods get one where their namespace has the label istio-injection=enabled when they start\n";
  if (namespace === undefined) return `no proxies found\n${hint}`;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const { status } = await mesh.api({ method: "GET", path });
  if (status === 404) return `namespace "${namespace}" not found\n`;
  return `no proxies found in namespace "${namespace}"\n${hint}`;
}

/** `why`: what the control plane says of a proxy that it knows only as a pod. */
function notConnected(proxy: string, why: string | undefined): UserError {
  if (why !== undefined) return new UserError(`proxy "${proxy}" is ${why}`);
  return new UserError(
    `no proxy "${proxy}" is connected to the control plane`,
    "'lateen ps' lists those that are",
  );
}
