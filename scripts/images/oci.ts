/**
 * Container images as one file, without a daemon or a registry: an OCI image layout in a tar, which
 * is a docker archive at the same time, so that containerd, docker, podman, skopeo and crane take it.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
import { createHash } from "node:crypto";
import { sortedEntries, type TarEntry, type WrittenTar, writeTar } from "./tar.ts";

export type Architecture = "amd64" | "arm64";

export interface Layer {
  /** The blob, as it goes into the archive. */
  readonly file: string;
  readonly blob: WrittenTar;
  /** SHA-256 of the uncompressed tar. */
  readonly diffId: string;
  readonly compressed: boolean;
  /** One line for `docker history`. */
  readonly comment: string;
}

export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** `uid:gid`. */
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly ports?: readonly number[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface PlatformImage {
  readonly architecture: Architecture;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
}

export interface Image {
  /** Full references, e.g. `localhost/lateen/pilot:0.1.0`. */
  readonly names: readonly string[];
  /** One, or one for each architecture. */
  readonly platforms: readonly PlatformImage[];
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * Writes images into one archive, layers that several have in common once.
 * @param created RFC 3339
 * @returns for each image the digest that a registry will know it by
 */
export async function writeArchive(
  target: string,
  images: readonly Image[],
  created: string,
): Promise<string[]> {
  const blobs = new Map<string, TarEntry>();
  const added = images.map(image => addImage(blobs, image, created));
  const manifests = added.flatMap(each => each.manifests);
  await writeTar(
    target,
    sortedEntries([
      jsonEntry("oci-layout", { imageLayoutVersion: "1.0.0" }),
      jsonEntry("index.json", { schemaVersion: 2, mediaType: INDEX, manifests }),
      jsonEntry(
        "manifest.json",
        added.map(each => each.docker),
      ),
      ...blobs.values(),
    ]),
  );
  return added.map(each => each.digest);
}

function addImage(blobs: Map<string, TarEntry>, { names, platforms }: Image, created: string) {
  const added = platforms.map(platform => {
    const { descriptor, config } = addPlatform(blobs, platform, created);
    const { architecture } = platform;
    return { platform, config, entry: { ...descriptor, platform: { architecture, os: "linux" } } };
  });
  const [first] = added;
  if (first === undefined) throw new Error(`${names.join(" ")}: no platform`);
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: added.map(each => each.entry) };
  const top = added.length === 1 ? first.entry : addJson(blobs, INDEX, index);
  return {
    digest: top.digest,
    manifests: names.map(name => ({ ...top, annotations: annotations(name) })),
    // Docker's older archives know one platform only.
    docker: {
      Config: blobPath(first.config.digest),
      RepoTags: names,
      Layers: first.platform.layers.map(layer => blobPath(`sha256:${layer.blob.sha256}`)),
    },
  };
}

function annotations(name: string): object {
  const tag = name.slice(name.lastIndexOf(":") + 1);
  return { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag };
}

function addPlatform(blobs: Map<string, TarEntry>, image: PlatformImage, created: string) {
  for (const { file, blob } of image.layers) {
    const path = blobPath(`sha256:${blob.sha256}`);
    const content = { type: "file", source: file, size: blob.size } as const;
    blobs.set(path, { path, mode: 0o644, content });
  }
  const config = addJson(blobs, CONFIG, configOf(image, created));
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config,
    layers: image.layers.map(({ blob, compressed }) => ({
      mediaType: compressed ? `${LAYER}+gzip` : LAYER,
      digest: `sha256:${blob.sha256}`,
      size: blob.size,
    })),
  };
  return { descriptor: addJson(blobs, MANIFEST, manifest), config };
}

function configOf(image: PlatformImage, created: string): object {
  const { config } = image;
  const environment = Object.entries({ PATH, ...config.environment });
  const ports = Object.fromEntries((config.ports ?? []).map(port => [`${port}/tcp`, {}]));
  return {
    created,
    architecture: image.architecture,
    os: "linux",
    config: {
      User: config.user ?? "",
      ExposedPorts: ports,
      Env: environment.map(([name, value]) => `${name}=${value}`),
      Entrypoint: config.entrypoint ?? null,
      Cmd: config.command ?? null,
      WorkingDir: config.workingDirectory ?? "/",
      Labels: config.labels ?? {},
    },
    rootfs: { type: "layers", diff_ids: image.layers.map(layer => `sha256:${layer.diffId}`) },
    history: image.layers.map(layer => ({ created, created_by: layer.comment })),
  };
}

function addJson(blobs: Map<string, TarEntry>, mediaType: string, value: object): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const path = blobPath(digest);
  blobs.set(path, { path, mode: 0o644, content: { type: "bytes", bytes } });
  return { mediaType, digest, size: bytes.length };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function jsonEntry(path: string, value: unknown): TarEntry {
  const bytes = Buffer.from(JSON.stringify(value));
  return { path, mode: 0o644, content: { type: "bytes", bytes } };
}
