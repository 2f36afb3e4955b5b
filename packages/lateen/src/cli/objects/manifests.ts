/** Reads objects from `-f` arguments: files, folders (not those within), `-` is standard input. */
import type { JsonObject } from "../../api/kind.ts";
import { objectAt, stringAt } from "../../sources/json.ts";
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

/** An object and where it is from. */
export interface PlacedManifest {
  readonly manifest: JsonObject & Manifest;
  /** `file.yaml:12`. */
  readonly origin: string;
}

export async function readManifests(
  ctx: CliContext,
  files: readonly string[],
): Promise<PlacedManifest[]> {
  const found: PlacedManifest[] = [];
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

/** Every problem of a source is told, not only its first; nothing of it is applied then. */
async function parseManifests(text: string, source: string): Promise<PlacedManifest[]> {
  // Loaded only here: most commands read no files.
  const { parseText } = await import("../../sources/files/parse.ts");
  const { objects, problems } = parseText(text, source.endsWith(".json"), new Map(), new Map());
  const wrong = problems.map(({ line, column, message }) => {
    const place = column === undefined ? line : `${line}:${column}`;
    return `${source}:${place}: ${message}`;
  });
  const found: PlacedManifest[] = [];
  for (const { object, line } of objects) {
    const origin = `${source}:${line}`;
    if (!isManifest(object)) wrong.push(`${origin}: ${whatIsMissing(object)}`);
    else found.push({ manifest: object, origin });
  }
  if (wrong.length > 0) throw new UserError(wrong.join("\n"));
  return found;
}

function whatIsMissing(object: JsonObject): string {
  const named = stringAt(object, "kind") || "this";
  if (stringAt(object, "apiVersion") === "") return `${named} has no apiVersion`;
  if (stringAt(object, "kind") === "") return "this has no kind";
  return `${named} has no metadata.name`;
}

function isManifest(object: JsonObject): object is JsonObject & Manifest {
  // What `profile dump` prints has no metadata, as istioctl's: it is no object of a cluster.
  if (stringAt(object, "kind") === "IstioOperator") return stringAt(object, "apiVersion") !== "";
  const metadata = objectAt(object, "metadata");
  const isNamed = stringAt(metadata, "name") !== "" || stringAt(metadata, "generateName") !== "";
  return isNamed && stringAt(object, "apiVersion") !== "" && stringAt(object, "kind") !== "";
}
