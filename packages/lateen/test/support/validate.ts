import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { envoyBinary } from "./envoy.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;

/** Has the real Envoy judge a bootstrap; throws with its words where it refuses; returns its log. */
export async function validate(bootstrap: object): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lateen-validate-"));
  const file = join(directory, "bootstrap.json");
  const args = ["--mode", "validate", "-c", file, "--disable-hot-restart", "-l", "warning"];
  try {
    await writeFile(file, JSON.stringify(bootstrap));
    const binary = await envoyBinary();
    const { stderr } = await run(binary, args, { timeout: TIMEOUT_MS, maxBuffer: 64 << 20 });
    return stderr;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
