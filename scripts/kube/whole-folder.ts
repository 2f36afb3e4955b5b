/** Folders of a cache that can tell whether they are still what was put into them. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

/** Written last: a folder without it was never finished. */
const MANIFEST = "manifest.json";

/** Notes the sums of the files, when all are there. */
export async function seal(folder: string, files: readonly string[]): Promise<void> {
  const sums: Record<string, string> = {};
  for (const file of files) sums[file] = await sha256(join(folder, file));
  await writeFile(join(folder, MANIFEST), JSON.stringify(sums));
}

/** Whether these files were all sealed and are as they were then. */
export async function isWhole(folder: string, files: readonly string[]): Promise<boolean> {
  try {
    const sums = new Map<string, unknown>(
      Object.entries(JSON.parse(await readFile(join(folder, MANIFEST), "utf8"))),
    );
    for (const file of files) {
      if ((await sha256(join(folder, file))) !== sums.get(file)) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}
