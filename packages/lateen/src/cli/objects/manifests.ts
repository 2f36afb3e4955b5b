/** Reads objects from `-f` arguments: files, folders (not those within), `-` is standard input. */
import { UserError } from "../command.ts";
import type { CliContext } from "../context.ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name?: string;
    readonly namespace?: string;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

export async function readManifests(
  ctx: CliContext,
  files: readonly string[],
): Promise<Manifest[]> {
  const found: Manifest[] = [];
  for (const name of files) {
    if (name === "-")
      found.push(...(await parseManifests(await ctx.readStdin(), "standard input")));
    for (const file of name === "-" ? [] : await ctx.objectFiles(name)) {
      found.push(...(await parseManifests(await ctx.readFile(file), file)));
    }
  }
  if (found.length === 0) throw new UserError(`no objects found in ${files.join(", ")}`);
  return found;
}

async function parseManifests(text: string, source: string): Promise<Manifest[]> {
  // Loaded only here: most commands read no files.
  const { LineCounter, parseAllDocuments } = await import("yaml");
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap(document => {
    const [error] = document.errors;
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      throw new UserError(`${source}:${line}:${col}: ${withoutPlace(error.message)}`);
    }
    const value = valueOf(document, source);
    if (value === null) return [];
    const { line } = lines.linePos(document.range?.[0] ?? 0);
    return flatten(value, `${source}:${line}`);
  });
}

/** Aliases that unfold without end, and nesting deeper than any object has, are the file's fault. */
function valueOf(document: { toJS(options: { maxAliasCount: number }): unknown }, source: string) {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${source}: this YAML can not be read: ${reason}`);
  }
}

const MAX_ALIASES = 100;

/** The library says once more where it is, and shows the text. */
function withoutPlace(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
}

function flatten(value: unknown, where: string): Manifest[] {
  if (!isManifest(value)) {
    throw new UserError(`${where}: this is not an object with apiVersion, kind and metadata`);
  }
  if (value.kind === "List" && Array.isArray(value["items"])) {
    return value["items"].flatMap((item: unknown) => flatten(item, where));
  }
  if (
    typeof value.metadata?.name !== "string" &&
    typeof value.metadata?.["generateName"] !== "string"
  ) {
    throw new UserError(`${where}: ${value.kind} has no metadata.name`);
  }
  return [value];
}

function isManifest(value: unknown): value is Manifest {
  return (
    typeof value === "object" &&
    value !== null &&
    "apiVersion" in value &&
    typeof value.apiVersion === "string" &&
    "kind" in value &&
    typeof value.kind === "string"
  );
}
