/** What commands about one Envoy share: which one, and where its answer comes from. */
import {
  type Command,
  type Flag,
  type Invocation,
  type Positional,
  stringFlag,
  UserError,
} from "../command.ts";
import type { CliContext, MeshAccess, PodRef } from "../context.ts";
import { type ConfigDump, parseConfigDump } from "../printers/config-dump.ts";
import { renderObject } from "../printers/object.ts";
import { resolvePod } from "./resolve-pod.ts";

export const OUTPUT: Flag = {
  name: "output",
  short: "o",
  kind: "string",
  description: "Output format",
  default: "short",
  values: ["short", "json", "yaml"],
};
export const FILE: Flag = {
  name: "file",
  short: "f",
  kind: "string",
  description: "Read Envoy's config dump from a file instead of from a pod",
};
export const PROXY: Positional = {
  name: "pod-name[.namespace]",
  required: false,
  completes: "proxy",
};

interface Source {
  readonly dump: ConfigDump;
  readonly text: string;
}

export async function readDump(
  ctx: CliContext,
  call: Invocation,
  path = "config_dump",
): Promise<Source> {
  const text = await readText(ctx, call, path);
  return { dump: parsed(text), text };
}

/** Of a proxy that is named other than by the first argument. */
export async function dumpOf(mesh: MeshAccess, pod: PodRef): Promise<ConfigDump> {
  return parsed(await mesh.envoyAdmin(pod, "GET", "config_dump"));
}

function parsed(text: string): ConfigDump {
  try {
    return parseConfigDump(text);
  } catch {
    throw new UserError(
      "this is not an Envoy config dump",
      "expected the JSON of GET /config_dump",
    );
  }
}

/** What Envoy answers at the path, or `--file`. */
export async function readText(ctx: CliContext, call: Invocation, path: string): Promise<string> {
  const file = stringFlag(call, "file");
  if (file !== undefined) return file === "-" ? ctx.readStdin() : ctx.readFile(file);
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

export async function renderMessages(
  message: string,
  found: unknown,
  format: string,
): Promise<string> {
  const { protoJson } = await import("../printers/proto-json.ts");
  const json = Array.isArray(found)
    ? found.map(each => protoJson(message, each))
    : protoJson(message, found);
  return renderObject(json, format);
}

/** A subcommand that prints a table, or the selected messages as JSON or YAML. */
export function subcommand(definition: {
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
    positionals: [PROXY],
    flags: [FILE, ...definition.flags],
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
