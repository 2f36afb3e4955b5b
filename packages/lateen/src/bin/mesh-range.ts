/** Which addresses a mesh has, kept in its home: when it comes back, its Services and Pods know them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../cli/command.ts";
import type { RangeChoice } from "../local/node-network.ts";
import { readRecord, recordPath } from "../local/process-record.ts";
import { isMeshName, type MeshHome, meshHome, writePrivate } from "./mesh-home.ts";

const rangeFile = (home: MeshHome): string => join(home.dir, "network.json");

export function rangeOf(home: MeshHome): RangeChoice {
  const others = siblings(home).flatMap(each => readPrefix(each) ?? []);
  return { kept: readPrefix(home), others: new Set(others) };
}

export function keepRange(home: MeshHome, prefix: string): void {
  if (readPrefix(home) === prefix) return;
  writePrivate(rangeFile(home), JSON.stringify({ prefix }));
}

/** What to tell somebody whose mesh can not have its range: `message` names what has it. */
export function rangeTaken(home: MeshHome, message: string): UserError {
  const device = /on interface (\S+?)\)/.exec(message)?.[1];
  const owner = siblings(home).find(
    each => readRecord(recordPath(each.runtimeDir))?.header.hostInterface === device,
  );
  const end =
    owner === undefined ? "free it" : `end mesh "${owner.name}": lateen down --mesh ${owner.name}`;
  return new UserError(
    owner === undefined ? message : `${message}: it is mesh "${owner.name}"`,
    `${end}; or remove ${rangeFile(home)}, and the mesh takes another range: Services get other ` +
      "addresses, and Pods that no Deployment owns have to be applied anew",
  );
}

/** Meshes under the same LATEEN_HOME, whether they run or not. */
function siblings(home: MeshHome): MeshHome[] {
  const all = dirname(home.dir);
  if (!existsSync(all)) return [];
  return readdirSync(all)
    .filter(name => isMeshName(name) && name !== home.name)
    .map(name => meshHome(all, name));
}

function readPrefix(home: MeshHome): string | undefined {
  try {
    const { prefix } = JSON.parse(readFileSync(rangeFile(home), "utf8")) as { prefix?: unknown };
    return typeof prefix === "string" && /^10\.\d{1,3}$/.test(prefix) ? prefix : undefined;
  } catch {
    return undefined;
  }
}
