/** `npm run release`: the folder that people unpack and run from; see docs/release.md. */
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DEFAULT_HUB } from "../packages/lateen/src/install/operator.ts";
import { complaint, runCommand } from "../packages/lateen/src/local/command.ts";
import { cacheDir } from "../packages/lateen/src/local/envoy-binary.ts";
import { OWN_ARCHITECTURE, VERSION } from "./images/build.ts";
import type { Architecture } from "./images/oci.ts";
import { sortedEntries, writeTar } from "./images/tar.ts";
import { timedProgress } from "./kube/progress.ts";
import { releaseEntries, releaseName } from "./release/layout.ts";

const USAGE = `usage: npm run release [-- FLAGS]
  --out FOLDER    where it goes (default dist/release): lateen-${VERSION}/ and an archive of it
  --arch ARCH     amd64 or arm64: whose Node is in it (default: this machine's)
  --hub HUB       images of its profiles, charts and manifest.yaml (default ${DEFAULT_HUB})
  --tag TAG       (default ${VERSION})`;

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) {
    console.error(USAGE);
    return 2;
  }
  try {
    const { out, architecture, ...images } = flags;
    const progress = timedProgress(line => process.stdout.write(line));
    const cache = join(cacheDir(process.env), "images");
    const entries = await releaseEntries({ architecture, cache, progress }, images);
    console.log(await write(out, architecture, entries));
    return 0;
  } catch (error) {
    console.error(`release: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** Path of the folder. What was there is replaced when the new one is whole. */
async function write(
  out: string,
  architecture: Architecture,
  entries: Awaited<ReturnType<typeof releaseEntries>>,
): Promise<string> {
  const folder = join(out, releaseName());
  const archive = `${folder}-linux-${architecture}.tar`;
  const scratch = `${folder}.${process.pid}`;
  await mkdir(scratch, { recursive: true });
  try {
    const inside = entries.map(entry => ({ ...entry, path: `${releaseName()}/${entry.path}` }));
    const { sha256 } = await writeTar(join(scratch, "archive"), sortedEntries(inside));
    const unpack = ["-xf", join(scratch, "archive"), "-C", scratch, "--no-same-owner"];
    const unpacked = await runCommand("tar", unpack, { timeoutMs: 300_000 });
    if (unpacked.code !== 0) throw new Error(`tar: ${complaint(unpacked)}`);
    await rm(folder, { recursive: true, force: true });
    await rename(join(scratch, releaseName()), folder);
    await rename(join(scratch, "archive"), archive);
    console.log(`${archive}  sha256:${sha256}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return folder;
}

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: "string", default: join(import.meta.dirname, "../dist/release") },
        arch: { type: "string", default: OWN_ARCHITECTURE },
        hub: { type: "string", default: DEFAULT_HUB },
        tag: { type: "string", default: VERSION },
        help: { type: "boolean", default: false },
      },
    });
    const { out, arch, hub, tag } = values;
    if (values.help || (arch !== "amd64" && arch !== "arm64")) return undefined;
    const architecture: Architecture = arch;
    return { out, architecture, hub, tag };
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}
