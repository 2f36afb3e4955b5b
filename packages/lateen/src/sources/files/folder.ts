/** The files of a folder as they are now: read again only where they changed. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

export interface FolderFile {
  /** Relative to the folder: what people call it. */
  readonly path: string;
  /** Equal while the file is the same. */
  readonly version: string;
  /** undefined: it is the version that is known. */
  readonly text: string | undefined;
}

export interface FolderState {
  /** Full paths of the folder itself and of those within that could be listed. */
  readonly folders: readonly string[];
  /** Folders that could not be: what is in them is not known. "." is the folder itself. */
  readonly unlisted: readonly string[];
  /** By path, in order. */
  readonly files: ReadonlyMap<string, FolderFile>;
  /** Files and folders that can not be read, by path. */
  readonly unreadable: ReadonlyMap<string, string>;
}

const NAMES = /\.(ya?ml|json)$/;
const MAX_FILES = 50_000;
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/**
 * `knownVersion` says which version of a path need not be read again.
 * Names that begin with a dot are left out: editors' and version control's, and mounts' own.
 */
export function readFolder(
  directory: string,
  knownVersion: (path: string) => string | undefined,
): FolderState {
  const files = new Map<string, FolderFile>();
  const unreadable = new Map<string, string>();
  const listed = listFiles(directory, unreadable);
  for (const path of listed.files) {
    const file = attempt(unreadable, path, () => readOne(directory, path, knownVersion(path)));
    if (file !== undefined) files.set(path, file);
  }
  return { ...listed, files, unreadable };
}

interface Listed {
  readonly files: readonly string[];
  readonly folders: readonly string[];
  readonly unlisted: readonly string[];
}

function listFiles(directory: string, unreadable: Map<string, string>): Listed {
  const found: string[] = [];
  const folders: string[] = [];
  const unlisted: string[] = [];
  const coming = [directory];
  for (const here of coming) {
    const shown = relative(directory, here) || ".";
    const entries = attempt(unreadable, shown, () => readdirSync(here, { withFileTypes: true }));
    if (entries === undefined) unlisted.push(shown);
    else folders.push(here);
    for (const entry of entries ?? []) {
      if (entry.name.startsWith(".")) continue;
      const path = join(here, entry.name);
      if (entry.isDirectory()) coming.push(path);
      else if (NAMES.test(entry.name)) found.push(relative(directory, path));
    }
    if (found.length > MAX_FILES) {
      unreadable.set(shown, `more than ${MAX_FILES} files: the rest is left out`);
      break;
    }
  }
  return { files: found.sort().slice(0, MAX_FILES), folders, unlisted };
}

function readOne(directory: string, path: string, known: string | undefined): FolderFile {
  const full = join(directory, path);
  const stat = statSync(full, { bigint: true });
  // Reading a pipe would wait for its writer, and everything else with it.
  if (!stat.isFile()) throw new Error("not a file");
  const { mtimeNs, size, ino } = stat;
  const version = `${mtimeNs} ${size} ${ino}`;
  if (known === version) return { path, version, text: undefined };
  if (size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
  return { path, text: readFileSync(full, "utf8"), version };
}

function attempt<T>(unreadable: Map<string, string>, path: string, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    unreadable.set(path, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}
