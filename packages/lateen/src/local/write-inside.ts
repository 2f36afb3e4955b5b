/**
 * Writes below a folder that somebody else may write to as well, as a pod's /run, whose containers
 * may be root there. A symbolic link of theirs would lead to the machine's own files, as links are
 * resolved in our root and not in theirs: so no part of a path may be one.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";

export interface FileOwner {
  readonly mode: number;
  /** Its group, the user being root; undefined: root's. */
  readonly gid?: number;
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/**
 * Replaces a file in one step, so that no reader sees a half and watchers see a rename; makes the
 * folders that it is in. Throws where one of them is a link, or something else than a folder.
 */
export function writeInside(root: string, path: string, content: string, owner: FileOwner): void {
  inDirectory(root, dirname(path), 0o755, directory => {
    const target = `${directory}/${basename(path)}`;
    const fresh = `${target}.new`;
    rmSync(fresh, { force: true });
    const file = openSync(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, owner.mode);
    try {
      if (owner.gid !== undefined) fchownSync(file, 0, owner.gid);
      writeFileSync(file, content);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, target);
  });
}

/** A folder that everybody may write to, with those that it is in. Throws as `writeInside`. */
export function makeDirectoryInside(root: string, path: string): void {
  inDirectory(root, path, 0o777, (_directory, descriptor) => fchmodSync(descriptor, 0o777));
}

/** Goes down one part at a time, each seen from the one before, which nobody can exchange then. */
function inDirectory(
  root: string,
  path: string,
  mode: number,
  use: (directory: string, descriptor: number) => void,
): void {
  let descriptor = openSync(root, O_RDONLY | O_DIRECTORY);
  try {
    for (const part of partsOf(path)) {
      const next = openPart(`${seenFrom(descriptor)}/${part}`, path, mode);
      closeSync(descriptor);
      descriptor = next;
    }
    use(seenFrom(descriptor), descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function seenFrom(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

function partsOf(path: string): string[] {
  const parts = path.split("/").filter(part => part !== "" && part !== ".");
  if (parts.includes("..")) throw new Error(`${path} leads out of its folder`);
  return parts;
}

function openPart(place: string, path: string, mode: number): number {
  try {
    mkdirSync(place, { mode });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  try {
    return openSync(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    const code = codeOf(error);
    if (code !== "ENOTDIR" && code !== "ELOOP") throw error;
    throw new Error(`${path} in the pod: ${basename(place)} is not a folder of its own`);
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
