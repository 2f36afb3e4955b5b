/** The two images that every cluster needs before anything else can run. */
import { existsSync } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { file } from "../images/entries.ts";
import { writeArchive } from "../images/oci.ts";
import { sortedEntries, writeTar } from "../images/tar.ts";
import { COREDNS_IMAGE } from "./dns.ts";
import { PAUSE_IMAGE } from "./node.ts";

const EPOCH = "1970-01-01T00:00:00Z";
const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";

/** Archives of pause and CoreDNS, made from the programs and kept beside them. */
export function baseImages(binaries: string): Promise<string[]> {
  return Promise.all([
    single(binaries, "pause", PAUSE_IMAGE),
    single(binaries, "coredns", COREDNS_IMAGE),
  ]);
}

async function single(binaries: string, program: string, name: string): Promise<string> {
  const target = join(dirname(binaries), "base-images", `${program}-${await stamp(binaries)}.tar`);
  if (existsSync(target)) return target;
  await mkdir(dirname(target), { recursive: true });
  const scratch = `${target}.${process.pid}`;
  const layerFile = `${scratch}.layer`;
  try {
    const blob = await writeTar(layerFile, sortedEntries([file(program, join(binaries, program))]));
    const comment = `${program} of the test bed`;
    const layer = { file: layerFile, blob, diffId: blob.sha256, compressed: false, comment };
    const config = { entrypoint: [`/${program}`] };
    const platforms = [{ architecture: ARCHITECTURE, config, layers: [layer] } as const];
    await writeArchive(scratch, [{ names: [name], platforms }], EPOCH);
    await rename(scratch, target);
  } finally {
    await rm(layerFile, { force: true });
  }
  return target;
}

/** The folder's name is the key of what is in it. */
async function stamp(binaries: string): Promise<string> {
  const { mtimeMs } = await stat(binaries);
  return `${binaries.slice(binaries.lastIndexOf("-") + 1)}-${Math.trunc(mtimeMs)}`;
}
