import type { Command, Flag } from "./command.ts";
import type { CliContext, MeshAccess } from "./context.ts";

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
  const typed = words.at(-1) ?? "";
  let command = root;
  let taken = 0;
  let pending: Flag | undefined;
  const flags = [...global];
  for (const word of words.slice(0, -1)) {
    if (pending !== undefined) {
      pending = undefined;
      continue;
    }
    if (word.startsWith("-")) {
      const name = word.replace(/^-+/, "");
      const flag = flags.find(f => f.name === name || f.short === name);
      if (flag !== undefined && flag.kind !== "boolean") pending = flag;
      continue;
    }
    const next = (command.subcommands ?? []).find(
      c => c.name === word || c.aliases?.includes(word),
    );
    if (next === undefined) taken++;
    else {
      command = next;
      flags.push(...(next.flags ?? []));
    }
  }
  const found = await candidates(command, flags, pending, taken, typed, ctx);
  return found.filter(word => word.startsWith(typed));
}

async function candidates(
  command: Command,
  flags: readonly Flag[],
  pending: Flag | undefined,
  taken: number,
  typed: string,
  ctx: CliContext,
): Promise<string[]> {
  if (pending !== undefined) return [...(pending.values ?? [])];
  if (typed.startsWith("-")) return flags.filter(f => f.hidden !== true).map(f => `--${f.name}`);
  const names = (command.subcommands ?? []).map(c => c.name);
  if (names.length > 0) return names;
  const positional = command.positionals?.[taken];
  switch (positional?.completes) {
    case "pod":
    case "proxy":
      return objectNames(ctx, "/api/v1/pods", true);
    case "namespace":
      return objectNames(ctx, "/api/v1/namespaces", false);
    case "kind":
      return KINDS;
    case undefined:
      return [];
  }
}

const KINDS = [
  "pods",
  "services",
  "deployments",
  "namespaces",
  "configmaps",
  "secrets",
  "serviceaccounts",
  "endpointslices",
  "nodes",
  "gateways",
  "virtualservices",
  "destinationrules",
  "serviceentries",
  "workloadentries",
  "sidecars",
];

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
