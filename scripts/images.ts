/** `npm run images`: container images as files, and a bill of materials for each. */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { DEFAULT_HUB } from "../packages/lateen/src/install/operator.ts";
import { buildImages, OWN_ARCHITECTURE, VERSION } from "./images/build.ts";
import { CATALOGUE } from "./images/catalogue.ts";
import type { Architecture } from "./images/oci.ts";
import { timedProgress } from "./kube/progress.ts";

const USAGE = `usage: npm run images [-- FLAGS]
  --hub HUB       what comes before the images' names (default ${DEFAULT_HUB})
  --tag TAG       (default ${VERSION})
  --arch LIST     amd64, arm64 or amd64,arm64 (default: this machine's)
  --out FOLDER    where the archives go (default dist/images)
  --only LIST     some of: ${CATALOGUE.map(each => each.id).join(", ")} (default: those to publish)
  --gzip          compressed layers, for registries
SOURCE_DATE_EPOCH is the time that the images bear (default: 1970).`;

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) {
    console.error(USAGE);
    return 2;
  }
  const { folder, definitions, options } = flags;
  try {
    const progress = timedProgress(text => process.stdout.write(text));
    const built = await buildImages(folder, definitions, { ...options, progress });
    for (const { names, digest } of built)
      for (const name of names) console.log(`${name}  ${digest}`);
    return 0;
  } catch (error) {
    console.error(`images: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        hub: { type: "string", default: DEFAULT_HUB },
        tag: { type: "string", default: VERSION },
        arch: { type: "string", default: OWN_ARCHITECTURE },
        out: { type: "string", default: join(import.meta.dirname, "../dist/images") },
        only: { type: "string" },
        gzip: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const architectures = values.arch.split(",").filter(isArchitecture);
    const wanted = values.only?.split(",");
    const definitions = CATALOGUE.filter(({ id, release }) => wanted?.includes(id) ?? release);
    const unknown = wanted?.filter(id => !definitions.some(each => each.id === id)) ?? [];
    if (values.help || unknown.length > 0 || architectures.length < values.arch.split(",").length)
      return undefined;
    const { hub, tag, gzip: compressed } = values;
    const options = { hub, tag, architectures, compressed, created: created() };
    return { folder: values.out, definitions, options };
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function isArchitecture(text: string): text is Architecture {
  return text === "amd64" || text === "arm64";
}

function created(): string {
  const seconds = Number(process.env["SOURCE_DATE_EPOCH"] ?? 0);
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
