/** `lateen get`: tables as the API server renders them (features rows 36 to 39). */
import type { Json } from "../../api/kind.ts";
import { booleanFlag, type Command, type Invocation, stringFlag, UserError } from "../command.ts";
import type { CliContext, MeshAccess } from "../context.ts";
import {
  apiError,
  displayName,
  type Resource,
  Resources,
  resourcePath,
} from "../objects/discover.ts";
import { type ObjectPrinter, objectPrinter } from "../printers/objects.ts";
import { AS_TABLE, type Table, type TableLayout, tableLines } from "../printers/table.ts";
import { renderTable } from "../tabwriter.ts";
import { type Watched, watchObjects } from "./get-watch.ts";

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
      values: ["json", "yaml", "wide", "name", "jsonpath=", "custom-columns="],
    },
    {
      name: "watch",
      short: "w",
      kind: "boolean",
      description: "Then go on with what changes, until Ctrl-C",
    },
    { name: "field-selector", kind: "string", description: "E.g. metadata.name=sleep" },
    { name: "selector", short: "l", kind: "string", description: "Label selector, e.g. app=sleep" },
    { name: "show-labels", kind: "boolean", description: "A column with the labels" },
    { name: "no-headers", kind: "boolean", description: "Without the header line" },
  ],
  examples: [
    "lateen get pods",
    "lateen get all",
    "lateen get gw,vs,dr -A",
    "lateen get vs demoapp -o yaml",
    "lateen get pods -o jsonpath='{.items[*].status.podIP}'",
    "lateen get pods -w",
  ],
  async run(ctx, call) {
    const mesh = await ctx.mesh();
    const wanted = await parseWanted(new Resources(mesh), call.args);
    const format = stringFlag(call, "output") ?? "";
    // Before anything is asked: what can not be read of it is said at once.
    const print = objectPrinter(format, booleanFlag(call, "no-headers"));
    if (booleanFlag(call, "watch"))
      return watchObjects(ctx, mesh, watchOf(ctx, call, wanted), print);
    if (print === undefined) return printTables(ctx, mesh, call, wanted);
    return printObjects(ctx, mesh, call, wanted, print);
  },
};

function watchOf(ctx: CliContext, call: Invocation, wanted: readonly Wanted[]): Watched {
  const [one, ...more] = wanted;
  const names = one?.names ?? [];
  if (one === undefined || more.length > 0 || names.length > 1)
    throw new UserError("--watch follows one type, or one object: name one");
  const [name] = names;
  const fields = [stringFlag(call, "field-selector"), name && `metadata.name=${name}`];
  const path = listPath(ctx, call, one.resource, undefined, fields.filter(Boolean).join(","));
  return { path, layout: layoutOf(call, one.resource, false) };
}

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
  fields = stringFlag(call, "field-selector") ?? "",
): string {
  const namespace = booleanFlag(call, "all-namespaces") ? undefined : ctx.namespace;
  const selector = stringFlag(call, "selector");
  const query = new URLSearchParams({
    ...(selector === undefined ? {} : { labelSelector: selector }),
    ...(fields === "" ? {} : { fieldSelector: fields }),
  }).toString();
  return resourcePath(resource, namespace, name) + (query === "" ? "" : `?${query}`);
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
  print: ObjectPrinter,
): Promise<number> {
  const bodies = (
    await Promise.all(wanted.map(w => fetchAll(ctx, mesh, call, w, "application/json")))
  ).flat();
  const single = bodies.length === 1 && (wanted[0]?.names.length ?? 0) === 1;
  const items = bodies.flatMap(body => (body as { items?: readonly unknown[] }).items ?? [body]);
  const value = single ? bodies[0] : { apiVersion: "v1", kind: "List", items, metadata: {} };
  ctx.stdout.write(await print(value as Json));
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
  const rows = tables.flatMap(table => table.rows ?? []);
  if (rows.length === 0) return undefined;
  if (stringFlag(call, "output") === "name")
    return rows.map(row => `${displayName(resource, row.object.metadata.name)}\n`).join("");
  const layout = layoutOf(call, resource, several);
  const lines = tableLines(tables, layout);
  return renderTable(layout.header ? lines : lines.slice(1), { padding: 3 });
}

function layoutOf(call: Invocation, resource: Resource, several: boolean): TableLayout {
  return {
    wide: stringFlag(call, "output") === "wide",
    namespace: booleanFlag(call, "all-namespaces") && resource.namespaced,
    labels: booleanFlag(call, "show-labels"),
    header: !booleanFlag(call, "no-headers"),
    nameOf: text => (several ? displayName(resource, text) : text),
    displayName: text => displayName(resource, text),
  };
}
