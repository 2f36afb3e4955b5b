import type { Command, Flag } from "./command.ts";
import type { CliContext, MeshAccess } from "./context.ts";
import { Resources, resourcePath } from "./objects/discover.ts";

/**
 * Words that may stand at the end of a half-typed command line. The last word is the one being
 * typed. Asks the mesh only where an argument names something in it, and stays silent when it can
 * not be asked: a completion never prints an error.
 */
export async function completions(
  root: Command,
  global: readonly Flag[],
  words: readonly string[],
  ctx: CliContext,
): Promise<string[]> {
  const begun = words.at(-1) ?? "";
  const found = await candidates(readWords(root, global, words.slice(0, -1)), begun, ctx);
  return found.filter(word => word.startsWith(begun));
}

/** What the words before the last one say. */
interface Typed {
  command: Command;
  readonly flags: Flag[];
  readonly args: string[];
  /** A flag whose value comes next. */
  pending: Flag | undefined;
  namespace: string | undefined;
}

function readWords(root: Command, global: readonly Flag[], words: readonly string[]): Typed {
  const typed: Typed = {
    command: root,
    flags: [...global],
    args: [],
    pending: undefined,
    namespace: undefined,
  };
  for (const word of words) {
    if (typed.pending !== undefined) {
      if (typed.pending.name === "namespace") typed.namespace = word;
      typed.pending = undefined;
      continue;
    }
    if (word.startsWith("-")) {
      const name = word.replace(/^-+/, "");
      const flag = typed.flags.find(f => f.name === name || f.short === name);
      if (flag !== undefined && flag.kind !== "boolean") typed.pending = flag;
      continue;
    }
    const next = (typed.command.subcommands ?? []).find(
      c => c.name === word || c.aliases?.includes(word),
    );
    if (next === undefined) typed.args.push(word);
    else {
      typed.command = next;
      typed.flags.push(...(next.flags ?? []));
    }
  }
  return typed;
}

async function candidates(typed: Typed, begun: string, ctx: CliContext): Promise<string[]> {
  const { command, flags, pending, args } = typed;
  if (pending?.name === "namespace") return objectNames(ctx, "/api/v1/namespaces", false);
  if (pending !== undefined) return [...(pending.values ?? [])];
  if (begun.startsWith("-")) return flags.filter(f => f.hidden !== true).map(f => `--${f.name}`);
  const names = (command.subcommands ?? []).map(c => c.name);
  if (names.length > 0) return names;
  const last = command.positionals?.at(-1);
  const positional = command.positionals?.[args.length] ?? (last?.rest === true ? last : undefined);
  switch (positional?.completes) {
    case "pod":
    case "proxy":
      return objectNames(ctx, "/api/v1/pods", true);
    case "namespace":
      return objectNames(ctx, "/api/v1/namespaces", false);
    case "kind":
      return kinds(ctx);
    case "name":
      return namesOfKind(ctx, typed);
    case undefined:
      return [];
  }
}

/** Names of the objects of the kind that was typed before. */
async function namesOfKind(ctx: CliContext, typed: Typed): Promise<string[]> {
  const [kind] = typed.args;
  if (kind === undefined || kind.includes("/")) return [];
  try {
    const resource = await new Resources(await ctx.mesh()).byWord(kind);
    const namespace = typed.namespace ?? ctx.namespace;
    return await objectNames(ctx, resourcePath(resource, namespace), false);
  } catch {
    return [];
  }
}

async function kinds(ctx: CliContext): Promise<string[]> {
  try {
    return await new Resources(await ctx.mesh()).plurals();
  } catch {
    return [];
  }
}

async function objectNames(
  ctx: CliContext,
  path: string,
  withNamespace: boolean,
): Promise<string[]> {
  try {
    const mesh: MeshAccess = await ctx.mesh();
    const answer = await mesh.api({ method: "GET", path });
    const list = answer.body as { items?: { metadata: { name: string; namespace?: string } }[] };
    return (list.items ?? []).map(item =>
      withNamespace ? `${item.metadata.name}.${item.metadata.namespace ?? ""}` : item.metadata.name,
    );
  } catch {
    return [];
  }
}
