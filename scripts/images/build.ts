import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DEFAULT_HUB } from "../../packages/lateen/src/install/operator.ts";
import { cacheDir } from "../../packages/lateen/src/local/envoy-binary.ts";
import { type Progress, silent } from "../kube/progress.ts";
import { CATALOGUE, type ImageDefinition } from "./catalogue.ts";
import type { BuildContext } from "./layer-sources.ts";
import { type LayerSource, makeLayer } from "./layers.ts";
import { type Architecture, type Image, type Layer, writeArchive } from "./oci.ts";
import { spdx } from "./sbom.ts";

export interface BuildOptions {
  readonly hub: string;
  readonly tag: string;
  readonly architectures: readonly Architecture[];
  /** Smaller, and slower to make. */
  readonly compressed: boolean;
  /** RFC 3339; goes into the images. */
  readonly created: string;
  readonly progress: Progress;
}

export interface BuiltImage {
  readonly id: string;
  readonly names: readonly string[];
  readonly archive: string;
  readonly digest: string;
}

export const OWN_ARCHITECTURE: Architecture = process.arch === "arm64" ? "arm64" : "amd64";
/** They are made again from layers within seconds, and somebody may be reading one at this moment. */
const ARCHIVE_UNUSED_MS = 600_000;
const LAYER_UNUSED_MS = 2 * 86_400_000;
const EPOCH = "1970-01-01T00:00:00Z";
const cache = join(cacheDir(process.env), "images");

/** Lateen's version: the tag when none is given. */
export const VERSION: string = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../packages/lateen/package.json"), "utf8"),
).version;

/** One archive an image, with its bill of materials beside it: `<id>.tar`, `<id>.spdx.json`. */
export async function buildImages(
  folder: string,
  definitions: readonly ImageDefinition[],
  options: BuildOptions,
): Promise<BuiltImage[]> {
  await mkdir(folder, { recursive: true });
  const built: BuiltImage[] = [];
  const layers = new LayerCache(options);
  for (const definition of definitions) {
    const { image, sources } = await assemble(definition, options, layers);
    const archive = join(folder, `${definition.id}.tar`);
    const [digest = ""] = await writeArchive(archive, [image], options.created);
    const bill = {
      image: image.names[0] ?? definition.id,
      digest,
      parts: sources.flatMap(source => source.parts),
      created: options.created,
      toolVersion: VERSION,
    };
    const file = join(folder, `${definition.id}.spdx.json`);
    await writeFile(file, `${JSON.stringify(spdx(bill), undefined, 2)}\n`);
    built.push({ id: definition.id, names: image.names, archive, digest });
    options.progress(`${definition.id}: ${archive}`);
  }
  return built;
}

/** Path of one archive with all images, for this machine's test clusters; made where it is not yet. */
export async function testImages(progress: Progress = silent): Promise<string> {
  const options: BuildOptions = {
    hub: DEFAULT_HUB,
    tag: VERSION,
    architectures: [OWN_ARCHITECTURE],
    compressed: false,
    created: EPOCH,
    progress,
  };
  const layers = new LayerCache(options);
  const images: Image[] = [];
  for (const definition of CATALOGUE)
    images.push((await assemble(definition, options, layers)).image);
  const key = createHash("sha256").update(JSON.stringify(images)).digest("hex").slice(0, 16);
  const target = join(cache, "archives", `test-${key}.tar`);
  if (existsSync(target)) {
    await utimes(target, new Date(), new Date());
    return target;
  }
  progress("writing the test images");
  await mkdir(join(cache, "archives"), { recursive: true });
  await removeUnused(join(cache, "layers"), LAYER_UNUSED_MS);
  await removeUnused(join(cache, "archives"), ARCHIVE_UNUSED_MS);
  const scratch = `${target}.${process.pid}`;
  await writeArchive(scratch, images, EPOCH);
  await rename(scratch, target);
  return target;
}

async function assemble(definition: ImageDefinition, options: BuildOptions, layers: LayerCache) {
  const sources: LayerSource[] = [];
  const platforms: Image["platforms"][number][] = [];
  for (const architecture of options.architectures) {
    const context: BuildContext = { architecture, cache, progress: options.progress };
    const own = await definition.layers(context);
    const made: Layer[] = [];
    for (const source of own) made.push(await layers.make(source));
    sources.push(...own);
    platforms.push({ architecture, config: definition.config, layers: made });
  }
  const image: Image = { names: definition.names(options.hub, options.tag), platforms };
  return { image, sources };
}

async function removeUnused(folder: string, unusedMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > unusedMs) await rm(path, { recursive: true, force: true });
  }
}

/** Layers of one run: a layer that several images have is looked at once. */
class LayerCache {
  readonly #compressed: boolean;
  readonly #made = new Map<string, Layer>();

  constructor(options: BuildOptions) {
    this.#compressed = options.compressed;
  }

  async make(source: LayerSource): Promise<Layer> {
    const key = `${source.comment}\n${source.key}`;
    const made = this.#made.get(key) ?? (await makeLayer(source, cache, this.#compressed));
    this.#made.set(key, made);
    return made;
  }
}
