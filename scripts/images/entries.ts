/** What goes into a layer: made here, copied from files, or taken from a folder. */
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { TarEntry } from "./tar.ts";

export function text(path: string, content: string, mode = 0o644): TarEntry {
  return { path, mode, content: { type: "bytes", bytes: Buffer.from(content) } };
}

export function directory(path: string, mode = 0o755): TarEntry {
  return { path, mode, content: { type: "directory" } };
}

export function link(path: string, target: string): TarEntry {
  return { path, mode: 0o777, content: { type: "symlink", target } };
}

export function file(path: string, source: string, mode?: number): TarEntry {
  const stat = lstatSync(source);
  const kept = (stat.mode & 0o111) === 0 ? 0o644 : 0o755;
  return { path, mode: mode ?? kept, content: { type: "file", source, size: stat.size } };
}

/** All of a folder, under `prefix`; `keep` is asked with paths relative to the folder. */
export function tree(
  prefix: string,
  folder: string,
  keep: (path: string) => boolean = () => true,
): TarEntry[] {
  const found: TarEntry[] = [];
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!keep(name)) continue;
    const source = join(folder, name);
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const stat = lstatSync(source);
    if (stat.isSymbolicLink()) found.push(link(path, readlinkSync(source)));
    else if (stat.isFile()) found.push(file(path, source));
  }
  return found;
}
