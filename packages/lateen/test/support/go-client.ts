import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../src/local/envoy-binary.ts";

const run = promisify(execFile);
const folder = join(import.meta.dirname, "../goclient");
const BUILD_MS = 600_000;

/** Why the Go client can not be built here, for `skip`. */
export function needsGo(): string | false {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = folders.some(each => each !== "" && existsSync(join(each, "go")));
  return found ? false : "needs go on PATH, for a client over grpc-go";
}

export interface GoLine {
  readonly type?: string;
  readonly version?: string;
  readonly resources: readonly string[] | null;
  readonly removed: readonly string[] | null;
  readonly code: number;
  readonly message?: string;
}

/** Runs the client; what it printed. See goclient/main.go for its flags. */
export async function runGoClient(args: readonly string[]): Promise<GoLine[]> {
  const { stdout } = await run(await goClient(), [...args], { maxBuffer: 64 << 20 });
  return stdout
    .split("\n")
    .filter(line => line !== "")
    .map(line => JSON.parse(line) as GoLine);
}

let built: Promise<string> | undefined;

/** Path of the client, built once for each state of its sources. */
function goClient(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const hash = createHash("sha256");
  for (const file of ["go.mod", "go.sum", "main.go"])
    hash.update(await readFile(join(folder, file)));
  const cache = cacheDir(process.env);
  const path = join(cache, `goclient-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(path)) return path;
  await mkdir(cache, { recursive: true });
  // Others may build at the same time: each on its own, and the last rename wins.
  const own = await mkdtemp(join(cache, "goclient-build-"));
  try {
    const output = join(own, "goclient");
    const args = ["build", "-mod=readonly", "-o", output, "."];
    await run("go", args, { cwd: folder, timeout: BUILD_MS, maxBuffer: 16 << 20 });
    await rename(output, path);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
  return path;
}
