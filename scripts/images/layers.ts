/** Layers, kept under a key of what they are made from: a layer that many images share is made once. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, globSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Layer } from "./oci.ts";
import type { Part } from "./sbom.ts";
import { sortedEntries, type TarEntry, writeTar } from "./tar.ts";

export interface LayerSource {
  readonly comment: string;
  /** Changes whenever the entries would. */
  readonly key: string;
  readonly entries: () => Iterable<TarEntry>;
  /** Called when the entries have been read. */
  readonly release?: () => void;
  /** What is in it, for the bill of materials. */
  readonly parts: readonly Part[];
}

/** The sources of this folder are part of every key. */
const builder = globSync("*.ts", { cwd: import.meta.dirname })
  .sort()
  .map(file => readFileSync(join(import.meta.dirname, file)))
  .reduce((hash, content) => hash.update(content), createHash("sha256"))
  .digest("hex");

export async function makeLayer(
  source: LayerSource,
  cache: string,
  compressed: boolean,
): Promise<Layer> {
  const hash = createHash("sha256").update(`${builder}\n${source.comment}\n${source.key}`);
  const target = join(cache, "layers", hash.digest("hex").slice(0, 32));
  if (!existsSync(target)) await writeLayer(source, target);
  // Who clears the cache sees that it is in use.
  await utimes(target, new Date(), new Date());
  const tar = JSON.parse(readFileSync(join(target, "layer.json"), "utf8")) as Layer["blob"];
  const { comment } = source;
  if (!compressed)
    return { file: join(target, "layer.tar"), blob: tar, diffId: tar.sha256, compressed, comment };
  const file = join(target, "layer.tar.gz");
  if (!existsSync(file)) await compress(join(target, "layer.tar"), file);
  const { size } = await stat(file);
  const blob = { sha256: await sha256(file), size };
  return { file, blob, diffId: tar.sha256, compressed, comment };
}

async function writeLayer(source: LayerSource, target: string): Promise<void> {
  await mkdir(join(target, ".."), { recursive: true });
  const scratch = await mkdtemp(`${target}-`);
  try {
    const tar = await writeTar(join(scratch, "layer.tar"), sortedEntries(source.entries()));
    await writeFile(join(scratch, "layer.json"), JSON.stringify(tar));
    await rename(scratch, target);
  } catch (error) {
    // Somebody else may have made the same one at the same time.
    if (!existsSync(target)) throw error;
  } finally {
    source.release?.();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Without the file's name and time, as Node's gzip leaves them out: the same bytes each time. */
async function compress(file: string, target: string): Promise<void> {
  const scratch = `${target}.${process.pid}`;
  await pipeline(createReadStream(file), createGzip({ level: 6 }), createWriteStream(scratch));
  await rename(scratch, target);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
