/**
 * Where the volumes of a pod are mounted, seen in the machine's file system, which is what a pod has but
 * for its own /run, /dev, /proc and /sys. Decided beforehand, so that what runs inside has no loops.
 */
import { dirname, join } from "node:path";

/** What is at a path of the machine: a symbolic link is told by where it leads. */
export type Look = (path: string) => "directory" | "other" | { readonly link: string } | undefined;

export interface MountPlace {
  /** The path without symbolic links, as far as it is there. */
  readonly path: string;
  /** The folder of the machine in which something has to be made for it; undefined: nowhere. */
  readonly above: string | undefined;
}

/** As Linux follows at most. */
const MAX_LINKS = 40;
const OWN = new Set(["run", "dev", "proc", "sys"]);

/** `path` is absolute and normal. undefined: its links lead nowhere. */
export function placeOf(path: string, look: Look): MountPlace | undefined {
  let links = 0;
  let rest = partsOf(path);
  let here = "/";
  for (;;) {
    const [part] = rest;
    if (part === undefined) return { path: here, above: undefined };
    if (here === "/" && OWN.has(part)) return { path: join("/", ...rest), above: undefined };
    const next = join(here, part);
    const found = look(next);
    if (found === undefined) return { path: join(here, ...rest), above: here };
    rest = rest.slice(1);
    if (typeof found === "string") {
      if (found === "other" && rest.length > 0) return undefined;
      here = next;
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    const target = found.link.startsWith("/") ? found.link : join(here, found.link);
    rest = [...partsOf(target), ...rest];
    here = "/";
  }
}

/** `.` and `..` as in a path whose folders are none of them links. */
function partsOf(path: string): string[] {
  return join("/", path)
    .split("/")
    .filter(part => part !== "");
}

export function depthOf(path: string): number {
  return partsOf(path).length;
}

export function isBelow(path: string, directory: string): boolean {
  return directory === "/" ? path !== "/" : path.startsWith(`${directory}/`);
}

/** Of folders in which something has to be made: those that no other one holds, upper ones first. */
export function layersFor(folders: Iterable<string>): string[] {
  const layers: string[] = [];
  const sorted = [...new Set(folders)].sort((a, b) => depthOf(a) - depthOf(b));
  for (const folder of sorted)
    if (!layers.some(layer => layer !== "/" && isBelow(folder, layer))) layers.push(folder);
  return layers;
}

export function parentOf(path: string): string {
  return dirname(path);
}
