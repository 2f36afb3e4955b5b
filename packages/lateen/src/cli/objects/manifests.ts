/** Reads objects from `-f` arguments: files, folders are the shell's matter, `-` is standard input. */
import { LineCounter, parseAllDocuments } from "yaml";
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
  for (const file of files) {
    const text = file === "-" ? await ctx.readStdin() : await ctx.readFile(file);
    found.push(...parseManifests(text, file === "-" ? "standard input" : file));
  }
  if (found.length === 0) throw new UserError("no objects found in the given files");
  return found;
}

export function parseManifests(text: string, source: string): Manifest[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap(document => {
    const [error] = document.errors;
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      throw new UserError(`${source}:${line}:${col}: ${error.message.split("\n")[0]}`);
    }
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (value === null) return [];
    const { line } = lines.linePos(document.range?.[0] ?? 0);
    return flatten(value, `${source}:${line}`);
  });
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
