/** `lateen get -w`: what is there, then what changes, until Ctrl-C or the server ends it. */
import type { Json } from "../../api/kind.ts";
import { isObject, objectAt, stringAt } from "../../sources/json.ts";
import type { CliContext, MeshAccess } from "../context.ts";
import { apiError } from "../objects/discover.ts";
import type { ObjectPrinter } from "../printers/objects.ts";
import { AS_TABLE, type Table, type TableLayout, tableLines } from "../printers/table.ts";
import { renderTable } from "../tabwriter.ts";

export interface Watched {
  /** Of the list, with its selectors. */
  readonly path: string;
  readonly layout: TableLayout;
}

/** Lines that decide how wide columns are: those of the list and the last ones printed. */
const KEPT_LINES = 200;

/** @param print undefined: the API server's table */
export async function watchObjects(
  ctx: CliContext,
  mesh: MeshAccess,
  { path, layout }: Watched,
  print: ObjectPrinter | undefined,
): Promise<number> {
  const until = ctx.interrupted();
  const accept = print === undefined ? AS_TABLE : "application/json";
  const list = await mesh.api({ method: "GET", path, accept });
  if (list.status !== 200) throw apiError(list.body, list.status);
  const write = print === undefined ? tableWriter(ctx, layout) : objectWriter(ctx, print);
  await write.list(list.body);
  const version = stringAt(objectAt(list.body as never, "metadata"), "resourceVersion");
  const query = `${path.includes("?") ? "&" : "?"}watch=true&resourceVersion=${version}`;
  let printed: Promise<void> = Promise.resolve();
  const refused = await mesh.follow(
    { method: "GET", path: path + query, accept },
    {
      until,
      onLines: lines => {
        printed = printed.then(async () => {
          for (const line of lines) await write.event(JSON.parse(line) as Json);
        });
      },
    },
  );
  await printed;
  if (refused !== undefined) throw apiError(refused.body, refused.status);
  return 0;
}

interface Writer {
  list(body: unknown): Promise<void>;
  event(event: Json): Promise<void>;
}

function objectWriter(ctx: CliContext, print: ObjectPrinter): Writer {
  const write = async (value: Json): Promise<void> => ctx.stdout.write(await print(value));
  return {
    async list(body) {
      for (const item of (body as { items?: readonly Json[] }).items ?? []) await write(item);
    },
    async event(event) {
      const object = changedObject(event);
      if (object !== undefined) await write(object);
    },
  };
}

function tableWriter(ctx: CliContext, layout: TableLayout): Writer {
  let first: Table | undefined;
  let kept: string[][] = [];
  const add = (table: Table): void => {
    first ??= table;
    // Events of a watch have rows only.
    const whole = { ...table, columnDefinitions: first.columnDefinitions };
    const [header = [], ...lines] = tableLines([whole], layout);
    const isFirst = kept.length === 0 && layout.header && lines.length > 0;
    kept = [header, ...kept.slice(1), ...lines].slice(-KEPT_LINES);
    if (kept[0] !== header) kept = [header, ...kept.slice(1)];
    const text = renderTable(kept, { padding: 3 })
      .split("\n")
      .filter(line => line !== "");
    const count = lines.length + (isFirst ? 1 : 0);
    if (count > 0) ctx.stdout.write(`${text.slice(-count).join("\n")}\n`);
  };
  return {
    list: async body => add(body as Table),
    event: async event => {
      const object = changedObject(event);
      if (object !== undefined) add(object as unknown as Table);
    },
  };
}

/** undefined: nothing that a person is told. Throws where the server gave up. */
function changedObject(event: Json): Json | undefined {
  const type = isObject(event) ? stringAt(event, "type") : "";
  const object = isObject(event) ? event["object"] : undefined;
  if (type === "ERROR") throw apiError(object, 410);
  return type === "BOOKMARK" ? undefined : object;
}
