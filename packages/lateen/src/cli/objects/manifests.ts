/** Reads objects from `-f` arguments: files, folders (with -R those within), `-` is standard input. */
import type { JsonObject } from "../../api/kind.ts";
import { objectAt, stringAt } from "../../sources/json.ts";
import type { Flag } from "../command.ts";
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

export const RECURSIVE_FLAG: Flag = {
  name: "recursive",
  short: "R",
  kind: "boolean",
  description: "With the folders within those of -f",
};

export interface ReadManifests {
  readonly manifests: readonly PlacedManifest[];
  /** One or more lines for each file that is left out, with place and reason. */
  readonly problems: readonly string[];
}

/** All or nothing: throws UserError where a file can not be read or parsed. */
export async function readManifests(
  ctx: CliContext,
  files: readonly string[],
): Promise<readonly PlacedManifest[]> {
  const { manifests, problems } = await readEachFile(ctx, files, false);
  if (problems.length > 0) throw new UserError(problems.join("\n"));
  return manifests;
}

/** One broken file does not keep the others out. Throws UserError where there is no object at all. */
export async function readEachFile(
  ctx: CliContext,
  files: readonly string[],
  recursive: boolean,
): Promise<ReadManifests> {
  const manifests: PlacedManifest[] = [];
  const problems: string[] = [];
  const read = async (source: string, text: () => Promise<string>): Promise<void> => {
    try {
      manifests.push(...(await parseManifests(ctx, await text(), source)));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error.message);
    }
  };
  for (const name of files) {
    if (name === "-") await read("standard input", () => ctx.readStdin());
    for (const file of name === "-" ? [] : await ctx.objectFiles(name, recursive)) {
      await read(file, () => ctx.readFile(file));
    }
  }
  if (manifests.length === 0 && problems.length === 0) {
    const hint = recursive ? undefined : "-R looks into the folders within";
    throw new UserError(`no objects found in ${files.join(", ")}`, hint);
  }
  return { manifests, problems };
}

/** Every problem of a source is told, not only its first; nothing of it is applied then. */
async function parseManifests(
  ctx: CliContext,
  text: string,
  source: string,
): Promise<PlacedManifest[]> {
  // Loaded only here: most commands read no files.
  const { parseText } = await import("../../sources/files/parse.ts");
  const { objects, problems, warnings } = parseText(text);
  const told = ({ line, column, message }: (typeof problems)[number]): string => {
    const place = column === undefined ? line : `${line}:${column}`;
    return `${source}:${place}: ${message}`;
  };
  const wrong = problems.map(told);
  const found: PlacedManifest[] = [];
  for (const { object, line } of objects) {
    const origin = `${source}:${line}`;
    if (!isManifest(object)) wrong.push(`${origin}: ${whatIsMissing(object)}`);
    else found.push({ manifest: object, origin });
  }
  if (wrong.length > 0) throw new UserError(wrong.join("\n"));
  for (const warning of warnings) ctx.stderr.write(`Warning: ${told(warning)}\n`);
  return found;
}

function whatIsMissing(object: JsonObject): string {
  for (const field of ["apiVersion", "kind"]) {
    const found = object[field] ?? "";
    if (typeof found !== "string")
      return `${field} is ${JSON.stringify(found)}, expected text: quote what YAML reads as something else`;
  }
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
