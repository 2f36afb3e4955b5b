/** Programs in Go that tests need, built once for each state of their sources. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../src/local/envoy-binary.ts";

const run = promisify(execFile);

export interface GoProgram {
  readonly name: string;
  /** The module's. */
  readonly folder: string;
  /** Of all that it is made of. */
  readonly files: readonly string[];
  /** The package to build. */
  readonly main: string;
  readonly buildMs: number;
}

/** Why nothing can be built here, for `skip`. */
export function needsGo(what: string): string | false {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = folders.some(each => each !== "" && existsSync(join(each, "go")));
  return found ? false : `needs go on PATH, ${what}`;
}

/** Path of the program. */
export async function goProgram(program: GoProgram): Promise<string> {
  const { name, folder, files, main, buildMs } = program;
  const hash = createHash("sha256").update(main);
  for (const file of files) hash.update(await readFile(join(folder, file)));
  const cache = cacheDir(process.env);
  const path = join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(path)) return path;
  await mkdir(cache, { recursive: true });
  // Others may build at the same time: each on its own, and the last rename wins.
  const own = await mkdtemp(join(cache, `${name}-build-`));
  try {
    const output = join(own, name);
    const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", "grpcnotrace"];
    const stripped = ["-ldflags", "-s -w", "-o", output];
    const settings = { cwd: folder, timeout: buildMs, maxBuffer: 16 << 20 };
    const env = { ...process.env, CGO_ENABLED: "0", GOWORK: "off" };
    await run("go", ["build", ...flags, ...stripped, main], { ...settings, env });
    await rename(output, path);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
  return path;
}
