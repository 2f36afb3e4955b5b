/** `lateen get`: tables as the API server renders them (features rows 36 to 39). */
import { booleanFlag, type Command, type Invocation, stringFlag, UserError } from "../command.ts";
import type { CliContext, MeshAccess } from "../context.ts";
import {
  apiError,
  displayName,
  type Resource,
  Resources,
  resourcePath,
} from "../objects/discover.ts";
import { renderObject } from "../printers/object.ts";
import { renderTable } from "../tabwriter.ts";

const AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

interface Table {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority?: number }[];
  readonly rows?: readonly {
    readonly cells: readonly unknown[];
    readonly object: {
      readonly metadata: {
        readonly name: string;
        readonly namespace?: string;
        readonly labels?: Readonly<Record<string, string>>;
      };
    };
  }[];
}

interface Wanted {
  readonly resource: Resource;
  readonly names: readonly string[];
}

export const getCommand: Command = {
  name: "get",
  summary: "Shows objects",
  positionals: [
    { name: "type[,type...]", required: true, completes: "kind" },
    { name: "name", required: false, rest: true, completes: "name" },
  ],
  flags: [
    { name: "all-namespaces", short: "A", kind: "boolean", description: "In every namespace" },
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "Output format",
      values: ["json", "yaml", "wide", "name"],
    },
    { name: "selector", short: "l", kind: "string", description: "Label selector, e.g. app=sleep" },
    { name: "show-labels", kind: "boolean", description: "A column with the labels" },
    { name: "no-headers", kind: "boolean", description: "Without the header line" },
  ],
  examples: [
    "lateen get pods",
    "lateen get all",
    "lateen get gw,vs,dr -A",
    "lateen get vs demoapp -o yaml",
  ],
  async run(ctx, call) {
    const mesh = await ctx.mesh();
    const wanted = await parseWanted(new Resources(mesh), call.args);
    const format = stringFlag(call, "output");
    if (format === "json" || format === "yaml")
      return printObjects(ctx, mesh, call, wanted, format);
    return printTables(ctx, mesh, call, wanted);
  },
};

/** `type name...`, `type,type` or `type/name...`. */
async function parseWanted(resources: Resources, args: readonly string[]): Promise<Wanted[]> {
  const [types = "", ...names] = args;
  if (types.includes("/")) {
    return Promise.all(
      args.map(async arg => {
        const slash = arg.indexOf("/");
        if (slash < 0) throw new UserError(`"${arg}" is not type/name`);
        return {
          resource: await resources.byWord(arg.slice(0, slash)),
          names: [arg.slice(slash + 1)],
        };
      }),
    );
  }
  const found = await Promise.all(
    types.split(",").map(async type => {
      if (type === "all" && names.length > 0)
        throw new UserError(`"all" takes no names: found ${names.join(" ")}`);
      return type === "all" ? resources.all() : [await resources.byWord(type)];
    }),
  );
  return found.flat().map(resource => ({ resource, names }));
}

function listPath(
  ctx: CliContext,
  call: Invocation,
  resource: Resource,
  name: string | undefined,
): string {
  const namespace = booleanFlag(call, "all-namespaces") ? undefined : ctx.namespace;
  const selector = stringFlag(call, "selector");
  const query = selector === undefined ? "" : `?labelSelector=${encodeURIComponent(selector)}`;
  return resourcePath(resource, namespace, name) + query;
}

async function fetchAll(
  ctx: CliContext,
  mesh: MeshAccess,
  call: Invocation,
  wanted: Wanted,
  accept: string,
): Promise<unknown[]> {
  const names = wanted.names.length === 0 ? [undefined] : wanted.names;
  return Promise.all(
    names.map(async name => {
      const path = listPath(ctx, call, wanted.resource, name);
      const answer = await mesh.api({ method: "GET", path, accept });
      if (answer.status !== 200) throw apiError(answer.body, answer.status);
      return answer.body;
    }),
  );
}

async function printObjects(
  ctx: CliContext,
  mesh: MeshAccess,
  call: Invocation,
  wanted: readonly Wanted[],
  format: string,
): Promise<number> {
  const bodies = (
    await Promise.all(wanted.map(w => fetchAll(ctx, mesh, call, w, "application/json")))
  ).flat();
  const single = bodies.length === 1 && (wanted[0]?.names.length ?? 0) === 1;
  const items = bodies.flatMap(body => (body as { items?: readonly unknown[] }).items ?? [body]);
  const value = single ? bodies[0] : { apiVersion: "v1", kind: "List", items, metadata: {} };
  ctx.stdout.write(await renderObject(value, format));
  return 0;
}

async function printTables(
  ctx: CliContext,
  mesh: MeshAccess,
  call: Invocation,
  wanted: readonly Wanted[],
): Promise<number> {
  const several = wanted.length > 1;
  const blocks: string[] = [];
  for (const one of wanted) {
    const tables = (await fetchAll(ctx, mesh, call, one, AS_TABLE)) as Table[];
    const block = renderBlock(call, one.resource, tables, several);
    if (block !== undefined) blocks.push(block);
  }
  if (blocks.length === 0) {
    const where = booleanFlag(call, "all-namespaces") ? "" : ` in ${ctx.namespace} namespace.`;
    const namespaced = wanted.some(w => w.resource.namespaced);
    ctx.stderr.write(`No resources found${namespaced ? where : ""}\n`);
  }
  ctx.stdout.write(blocks.join(stringFlag(call, "output") === "name" ? "" : "\n"));
  return 0;
}

function renderBlock(
  call: Invocation,
  resource: Resource,
  tables: readonly Table[],
  several: boolean,
): string | undefined {
  const columns = tables[0]?.columnDefinitions ?? [];
  const format = stringFlag(call, "output");
  const shown = columns.map(c => format === "wide" || (c.priority ?? 0) === 0);
  const withNamespace = booleanFlag(call, "all-namespaces") && resource.namespaced;
  const labels = booleanFlag(call, "show-labels");
  const header = [
    ...(withNamespace ? ["NAMESPACE"] : []),
    ...columns.filter((_, i) => shown[i]).map(c => c.name.toUpperCase()),
    ...(labels ? ["LABELS"] : []),
  ];
  const rows = tables.flatMap(table => table.rows ?? []);
  if (rows.length === 0) return undefined;
  const name = (text: string) => (several ? displayName(resource, text) : text);
  if (format === "name") {
    return rows.map(row => `${displayName(resource, row.object.metadata.name)}\n`).join("");
  }
  const lines = rows.map(row => [
    ...(withNamespace ? [row.object.metadata.namespace ?? ""] : []),
    ...row.cells
      .filter((_, i) => shown[i])
      .map((cell, i) => (i === 0 ? name(String(cell)) : cellText(cell))),
    ...(labels ? [labelText(row.object.metadata.labels ?? {})] : []),
  ]);
  return renderTable(booleanFlag(call, "no-headers") ? lines : [header, ...lines], { padding: 3 });
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return "";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "<none>" : pairs.sort().join(",");
}
