import type { Command, Flag, Positional } from "./command.ts";
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
  /** A command's own flags first, as the parser reads them. */
  flags: readonly Flag[];
  readonly args: string[];
  /** A flag whose value comes next. */
  pending: Flag | undefined;
  namespace: string | undefined;
  /** After `--` the words are another program's. */
  trailing: boolean;
}

function readWords(root: Command, global: readonly Flag[], words: readonly string[]): Typed {
  const typed: Typed = {
    command: root,
    flags: [...(root.flags ?? []), ...global],
    args: [],
    pending: undefined,
    namespace: undefined,
    trailing: false,
  };
  for (const word of words) {
    if (typed.pending !== undefined) takeValue(typed, typed.pending, word);
    else if (word === "--") typed.trailing = true;
    else if (word.startsWith("-")) readFlag(typed, word);
    else readArgument(typed, word);
  }
  return typed;
}

function readFlag(typed: Typed, word: string): void {
  const found = flagIn(typed.flags, word);
  if (found === undefined || found.flag.kind === "boolean") return;
  if (found.value === undefined) typed.pending = found.flag;
  else takeValue(typed, found.flag, found.value);
}

function readArgument(typed: Typed, word: string): void {
  const next = (typed.command.subcommands ?? []).find(
    c => c.name === word || c.aliases?.includes(word),
  );
  if (next === undefined) typed.args.push(word);
  else {
    typed.command = next;
    typed.flags = [...(next.flags ?? []), ...typed.flags];
  }
}

function takeValue(typed: Typed, flag: Flag, value: string): void {
  if (flag.name === "namespace") typed.namespace = value;
  typed.pending = undefined;
}

interface FoundFlag {
  readonly flag: Flag;
  /** What stands in the same word as the flag, if anything does. */
  readonly value: string | undefined;
  /** The word up to the value. */
  readonly prefix: string;
}

/** The flag of `--name`, `--name=x`, `-n`, `-nx`, `-n=x` or, behind flags without values, `-fnx`. */
function flagIn(flags: readonly Flag[], word: string): FoundFlag | undefined {
  if (word.startsWith("--")) {
    const equals = word.indexOf("=");
    const prefix = equals < 0 ? word : word.slice(0, equals + 1);
    const flag = flags.find(f => f.name === prefix.slice(2).replace(/=$/, ""));
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    return flag === undefined ? undefined : { flag, value, prefix };
  }
  for (let i = 1; i < word.length; i++) {
    const flag = flags.find(f => f.short === word[i]);
    if (flag === undefined) return undefined;
    if (flag.kind === "boolean") continue;
    const start = word[i + 1] === "=" ? i + 2 : i + 1;
    const value = word.length === i + 1 ? undefined : word.slice(start);
    return { flag, value, prefix: word.slice(0, start) };
  }
  return undefined;
}

async function candidates(typed: Typed, begun: string, ctx: CliContext): Promise<string[]> {
  const { command, flags, pending, args } = typed;
  if (typed.trailing) return [];
  if (pending !== undefined) return flagValues(ctx, pending);
  if (begun.startsWith("-")) {
    const found = flagIn(flags, begun);
    if (found?.value !== undefined)
      return (await flagValues(ctx, found.flag)).map(value => `${found.prefix}${value}`);
    return flags.filter(f => f.hidden !== true).map(f => `--${f.name}`);
  }
  const names = (command.subcommands ?? []).map(c => c.name);
  if (names.length > 0) return names;
  const last = command.positionals?.at(-1);
  const positional = command.positionals?.[args.length] ?? (last?.rest === true ? last : undefined);
  return argumentValues(ctx, typed, positional, begun);
}

async function flagValues(ctx: CliContext, flag: Flag): Promise<string[]> {
  if (flag.name === "namespace") return objectNames(ctx, NAMESPACES, false);
  return [...(flag.values ?? [])];
}

async function argumentValues(
  ctx: CliContext,
  typed: Typed,
  positional: Positional | undefined,
  begun: string,
): Promise<string[]> {
  const completes = positional?.completes;
  if (completes === undefined) return [];
  if (completes === "namespace") return objectNames(ctx, NAMESPACES, false);
  const slash = begun.indexOf("/");
  if (slash >= 0) {
    const kind = begun.slice(0, slash);
    return (await namesOfKind(ctx, kind, typed)).map(name => `${kind}/${name}`);
  }
  switch (completes) {
    case "pod":
    case "proxy":
      return typed.namespace === undefined
        ? objectNames(ctx, "/api/v1/pods", true)
        : namesOfKind(ctx, "pods", typed);
    case "kind":
      return kinds(ctx);
    case "name": {
      const [kind = ""] = typed.args;
      return kind.includes("/") ? [] : namesOfKind(ctx, kind, typed);
    }
  }
}

const NAMESPACES = "/api/v1/namespaces";

/** In the namespace that was typed, else in the one that commands look in. */
async function namesOfKind(ctx: CliContext, kind: string, typed: Typed): Promise<string[]> {
  if (kind === "") return [];
  try {
    const resource = await new Resources(await ctx.mesh()).byWord(kind);
    return await objectNames(ctx, resourcePath(resource, typed.namespace ?? ctx.namespace), false);
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
