/** `lateen proxy-config` (pc): what one Envoy holds. Features rows 14 to 24 and 198. */
import {
  type Command,
  type Flag,
  type Invocation,
  numberFlag,
  stringFlag,
  UserError,
} from "../command.ts";
import type { CliContext } from "../context.ts";
import { bootstrapSummary } from "../printers/bootstrap.ts";
import { clusterTable, selectClusters } from "../printers/clusters.ts";
import { endpointTable, parseClusters, selectClusterStatuses } from "../printers/endpoints.ts";
import { listenerTable, selectListeners } from "../printers/listeners.ts";
import { routeTable, selectRoutes } from "../printers/routes.ts";
import { secretTable, workloadSecrets } from "../printers/secrets.ts";
import {
  FILE,
  OUTPUT,
  PROXY,
  readDump,
  readText,
  renderMessages,
  subcommand,
} from "./proxy-dump.ts";
import { ecdsCommand, edsCommand, rootCaCompareCommand } from "./proxy-extensions.ts";
import { logLevelsCommand } from "./proxy-log.ts";

const ADMIN_PORT: Flag = {
  name: "proxy-admin-port",
  kind: "number",
  description: "Port of Envoy's admin interface",
  default: 15000,
};
const VERBOSE: Flag = {
  name: "verbose",
  kind: "boolean",
  description: "Show matches and destinations",
  default: true,
};
const PORT: Flag = { name: "port", kind: "number", description: "Only this port" };
const LISTENER_TYPE: Flag = { name: "type", kind: "string", description: "HTTP, TCP or HTTP+TCP" };
const ROUTE_NAME: Flag = {
  name: "name",
  kind: "string",
  description: "Only the route configuration of this name",
};
const CLUSTER_FLAGS: readonly Flag[] = [
  { name: "fqdn", kind: "string", description: "Only clusters of this service host" },
  { name: "subset", kind: "string", description: "Only this subset" },
  {
    name: "direction",
    kind: "string",
    description: "Only this direction",
    values: ["inbound", "outbound"],
  },
];
const ADDRESS: Flag = { name: "address", kind: "string", description: "Only this address" };

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
  flags: [VERBOSE, PORT, ADDRESS, LISTENER_TYPE],
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
  flags: [VERBOSE, ROUTE_NAME],
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
  flags: [PORT, ...CLUSTER_FLAGS],
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
  return parseClusters(await readText(ctx, call, "clusters?format=json"));
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
  positionals: [PROXY],
  flags: [{ ...OUTPUT, default: "json" }, FILE],
  examples: [
    "lateen pc bootstrap sleep-6c5f-x2x4z",
    "lateen pc bootstrap sleep-6c5f-x2x4z -o short",
  ],
  async run(ctx, call) {
    const { dump } = await readDump(ctx, call);
    if (dump.bootstrap === undefined)
      throw new UserError("the config dump has no bootstrap section");
    const format = stringFlag(call, "output") ?? "json";
    if (format === "short") {
      ctx.stdout.write(bootstrapSummary(dump.bootstrap));
      return 0;
    }
    const message = "envoy.admin.v3.BootstrapConfigDump";
    ctx.stdout.write(await renderMessages(message, dump.bootstrap, format));
    return 0;
  },
};

const all: Command = {
  name: "all",
  aliases: ["a"],
  summary: "Shows everything that one Envoy holds",
  positionals: [PROXY],
  flags: [FILE, VERBOSE, PORT, ADDRESS, ...CLUSTER_FLAGS, ROUTE_NAME, LISTENER_TYPE],
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
      routeTable(selectRoutes(dump.routes, stringFlag(call, "name")), {
        compat: ctx.compat,
        verbose,
      }),
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
  flags: [OUTPUT, ADMIN_PORT],
  subcommands: [
    all,
    bootstrap,
    cluster,
    ecdsCommand,
    edsCommand,
    endpoint,
    listener,
    logLevelsCommand,
    rootCaCompareCommand,
    route,
    secret,
  ],
  examples: [
    "lateen proxy-config <clusters|listeners|routes|endpoints|ecds|bootstrap|log|secret> <pod-name[.namespace]>",
  ],
};
