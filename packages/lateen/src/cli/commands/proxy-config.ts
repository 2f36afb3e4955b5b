/** `lateen proxy-config` (pc): what one Envoy holds. Features rows 14 to 24 and 198. */
import {
  type Command,
  type Flag,
  type Invocation,
  numberFlag,
  stringFlag,
  UserError,
} from "../command.ts";
import type { CliContext, MeshAccess, PodRef } from "../context.ts";
import { clusterTable, selectClusters } from "../printers/clusters.ts";
import { type ConfigDump, parseConfigDump } from "../printers/config-dump.ts";
import { endpointTable, parseClusters, selectClusterStatuses } from "../printers/endpoints.ts";
import { listenerTable, selectListeners } from "../printers/listeners.ts";
import { renderObject } from "../printers/object.ts";
import { routeTable, selectRoutes } from "../printers/routes.ts";
import { secretTable, workloadSecrets } from "../printers/secrets.ts";
import { logLevelsCommand } from "./proxy-log.ts";
import { resolvePod } from "./resolve-pod.ts";

const OUTPUT: Flag = {
  name: "output",
  short: "o",
  kind: "string",
  description: "Output format",
  default: "short",
  values: ["short", "json", "yaml"],
};
const FILE: Flag = {
  name: "file",
  short: "f",
  kind: "string",
  description: "Read Envoy's config dump from a file instead of from a pod",
};
const VERBOSE: Flag = {
  name: "verbose",
  kind: "boolean",
  description: "Show matches and destinations",
  default: true,
};
const PORT: Flag = { name: "port", kind: "number", description: "Only this port" };
const ADDRESS: Flag = { name: "address", kind: "string", description: "Only this address" };

interface Source {
  readonly dump: ConfigDump;
  readonly text: string;
}

async function readDump(ctx: CliContext, call: Invocation, path = "config_dump"): Promise<Source> {
  const file = stringFlag(call, "file");
  const text =
    file === undefined
      ? await fromPod(ctx, call, path)
      : file === "-"
        ? await ctx.readStdin()
        : await ctx.readFile(file);
  try {
    return { dump: parseConfigDump(text), text };
  } catch {
    throw new UserError(
      "this is not an Envoy config dump",
      "expected the JSON of GET /config_dump",
    );
  }
}

async function fromPod(ctx: CliContext, call: Invocation, path: string): Promise<string> {
  const { mesh, pod } = await podOf(ctx, call);
  return mesh.envoyAdmin(pod, "GET", path);
}

async function podOf(
  ctx: CliContext,
  call: Invocation,
): Promise<{ mesh: MeshAccess; pod: PodRef }> {
  const name = call.args[0];
  if (name === undefined) {
    throw new UserError(
      "which proxy? Give <pod-name[.namespace]> or --file",
      "'lateen ps' lists them",
    );
  }
  const mesh = await ctx.mesh();
  return { mesh, pod: await resolvePod(ctx, mesh, name) };
}

async function renderMessages(message: string, found: unknown, format: string): Promise<string> {
  const { protoJson } = await import("../printers/proto-json.ts");
  const json = Array.isArray(found)
    ? found.map(each => protoJson(message, each))
    : protoJson(message, found);
  return renderObject(json, format);
}

/** A subcommand that prints a table, or the selected messages as JSON or YAML. */
function subcommand(definition: {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly what: string;
  readonly flags: readonly Flag[];
  readonly examples: readonly string[];
  /** Envoy's name of the message, or of those in the list, that `objects` gives. */
  readonly message: string;
  readonly table: (ctx: CliContext, call: Invocation) => Promise<string>;
  readonly objects: (ctx: CliContext, call: Invocation) => Promise<unknown>;
}): Command {
  return {
    name: definition.name,
    aliases: definition.aliases,
    summary: `Shows the ${definition.what} of one Envoy`,
    positionals: [{ name: "pod-name[.namespace]", required: false, completes: "proxy" }],
    flags: [OUTPUT, FILE, ...definition.flags],
    examples: definition.examples,
    async run(ctx, call) {
      const format = stringFlag(call, "output") ?? "short";
      if (format === "short") ctx.stdout.write(await definition.table(ctx, call));
      else {
        const found = await definition.objects(ctx, call);
        ctx.stdout.write(await renderMessages(definition.message, found, format));
      }
      return 0;
    },
  };
}

const listenerFilter = (call: Invocation) => ({
  address: stringFlag(call, "address"),
  port: numberFlag(call, "port"),
  type: stringFlag(call, "type"),
});

const listener = subcommand({
  name: "listener",
  aliases: ["listeners", "l"],
  what: "listeners",
  message: "envoy.config.listener.v3.Listener",
  flags: [
    VERBOSE,
    PORT,
    ADDRESS,
    { name: "type", kind: "string", description: "HTTP, TCP or HTTP+TCP" },
  ],
  examples: [
    "lateen pc listeners demoappv10-5d8f9c-abcde",
    "lateen pc listeners --port 8080 sleep-6c5f-x2x4z.default",
  ],
  async table(ctx, call) {
    const { dump } = await readDump(ctx, call);
    const chosen = selectListeners(dump.listeners, listenerFilter(call));
    return listenerTable(chosen, { compat: ctx.compat, verbose: call.flags["verbose"] !== false });
  },
  async objects(ctx, call) {
    return selectListeners((await readDump(ctx, call)).dump.listeners, listenerFilter(call));
  },
});

const route = subcommand({
  name: "route",
  aliases: ["routes", "r"],
  what: "route configurations",
  message: "envoy.config.route.v3.RouteConfiguration",
  flags: [
    VERBOSE,
    { name: "name", kind: "string", description: "Only the route configuration of this name" },
  ],
  examples: [
    "lateen pc routes sleep-6c5f-x2x4z --name 8080",
    "lateen pc routes sleep-6c5f-x2x4z --name 8080 -o json",
  ],
  async table(ctx, call) {
    const { dump } = await readDump(ctx, call);
    const chosen = selectRoutes(dump.routes, stringFlag(call, "name"));
    return routeTable(chosen, { compat: ctx.compat, verbose: call.flags["verbose"] !== false });
  },
  async objects(ctx, call) {
    return selectRoutes((await readDump(ctx, call)).dump.routes, stringFlag(call, "name"));
  },
});

const clusterFilter = (call: Invocation) => ({
  fqdn: stringFlag(call, "fqdn"),
  port: numberFlag(call, "port"),
  subset: stringFlag(call, "subset"),
  direction: stringFlag(call, "direction"),
});

const cluster = subcommand({
  name: "cluster",
  aliases: ["clusters", "c"],
  what: "clusters",
  message: "envoy.config.cluster.v3.Cluster",
  flags: [
    PORT,
    { name: "fqdn", kind: "string", description: "Only clusters of this service host" },
    { name: "subset", kind: "string", description: "Only this subset" },
    {
      name: "direction",
      kind: "string",
      description: "Only this direction",
      values: ["inbound", "outbound"],
    },
  ],
  examples: [
    "lateen pc clusters sleep-6c5f-x2x4z --port 8080",
    "lateen pc clusters deploy/sleep --direction outbound",
  ],
  async table(ctx, call) {
    return clusterTable(
      selectClusters((await readDump(ctx, call)).dump.clusters, clusterFilter(call)),
    );
  },
  async objects(ctx, call) {
    return selectClusters((await readDump(ctx, call)).dump.clusters, clusterFilter(call));
  },
});

const endpointFilter = (call: Invocation) => ({
  address: stringFlag(call, "address"),
  port: numberFlag(call, "port"),
  cluster: stringFlag(call, "cluster"),
  status: stringFlag(call, "status"),
});

async function readClusters(ctx: CliContext, call: Invocation) {
  const file = stringFlag(call, "file");
  const text =
    file === undefined
      ? await fromPod(ctx, call, "clusters?format=json")
      : await ctx.readFile(file);
  return parseClusters(text);
}

const endpoint = subcommand({
  name: "endpoint",
  aliases: ["endpoints", "ep"],
  what: "endpoints",
  message: "envoy.admin.v3.ClusterStatus",
  flags: [
    ADDRESS,
    PORT,
    { name: "cluster", kind: "string", description: "Only endpoints of this Envoy cluster" },
    {
      name: "status",
      kind: "string",
      description: "Only endpoints of this health: healthy, unhealthy, draining",
    },
  ],
  examples: ["lateen pc endpoints sleep-6c5f-x2x4z --port 8080"],
  async table(ctx, call) {
    return endpointTable(await readClusters(ctx, call), endpointFilter(call));
  },
  async objects(ctx, call) {
    return selectClusterStatuses(await readClusters(ctx, call), endpointFilter(call));
  },
});

const secret = subcommand({
  name: "secret",
  aliases: ["secrets", "s"],
  what: "certificates (SDS)",
  message: "envoy.admin.v3.SecretsConfigDump",
  flags: [],
  examples: ["lateen pc secret sleep-6c5f-x2x4z"],
  async table(ctx, call) {
    return secretTable((await readDump(ctx, call)).dump, ctx.now());
  },
  async objects(ctx, call) {
    const { dump } = await readDump(ctx, call);
    return {
      dynamic_active_secrets: workloadSecrets(dump.activeSecrets),
      dynamic_warming_secrets: workloadSecrets(dump.warmingSecrets),
    };
  },
});

const bootstrap: Command = {
  name: "bootstrap",
  aliases: ["b"],
  summary: "Shows the bootstrap of one Envoy",
  positionals: [{ name: "pod-name[.namespace]", required: false, completes: "proxy" }],
  flags: [{ ...OUTPUT, default: "json" }, FILE],
  examples: ["lateen pc bootstrap sleep-6c5f-x2x4z"],
  async run(ctx, call) {
    const { dump } = await readDump(ctx, call);
    if (dump.bootstrap === undefined)
      throw new UserError("the config dump has no bootstrap section");
    const format = stringFlag(call, "output") === "yaml" ? "yaml" : "json";
    const message = "envoy.admin.v3.BootstrapConfigDump";
    ctx.stdout.write(await renderMessages(message, dump.bootstrap, format));
    return 0;
  },
};

const all: Command = {
  name: "all",
  aliases: ["a"],
  summary: "Shows everything that one Envoy holds",
  positionals: [{ name: "pod-name[.namespace]", required: false, completes: "proxy" }],
  flags: [OUTPUT, FILE, VERBOSE, PORT, ADDRESS],
  examples: ["lateen pc all sleep-6c5f-x2x4z", "lateen pc all sleep-6c5f-x2x4z -o json"],
  async run(ctx, call) {
    const { dump, text } = await readDump(ctx, call, "config_dump?include_eds");
    const format = stringFlag(call, "output") ?? "short";
    if (format !== "short") {
      const message = "envoy.admin.v3.ConfigDump";
      ctx.stdout.write(await renderMessages(message, JSON.parse(text), format));
      return 0;
    }
    const verbose = call.flags["verbose"] !== false;
    const sections = [
      clusterTable(selectClusters(dump.clusters, clusterFilter(call))),
      listenerTable(selectListeners(dump.listeners, listenerFilter(call)), {
        compat: ctx.compat,
        verbose,
      }),
      routeTable(selectRoutes(dump.routes, undefined), { compat: ctx.compat, verbose }),
    ];
    ctx.stdout.write(sections.join("\n"));
    return 0;
  },
};

export const proxyConfigCommand: Command = {
  name: "proxy-config",
  aliases: ["pc"],
  summary: "Shows what one Envoy was configured with",
  description:
    "Shows the configuration that one Envoy holds, read from its admin interface. Singular and\nplural names are the same; the pod may be given as pod, pod.namespace or deployment/name.",
  subcommands: [all, bootstrap, cluster, endpoint, listener, logLevelsCommand, route, secret],
  examples: [
    "lateen proxy-config <clusters|listeners|routes|endpoints|bootstrap|log|secret> <pod-name[.namespace]>",
  ],
};
