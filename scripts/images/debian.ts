/** Files of Debian packages, of this machine's architecture or another, without installing any. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { complaint, runCommand } from "../../packages/lateen/src/local/command.ts";
import { withLock } from "../kube/lock.ts";
import type { Progress } from "../kube/progress.ts";
import type { Architecture } from "./oci.ts";

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: Architecture;
  readonly sha256: string;
  /** Folder that the package's files are in. */
  readonly folder: string;
}

const TIMEOUT_MS = 300_000;
/** Debian's mirrors keep only the newest: what is known of them is asked for again after a day. */
const INDEX_MAX_AGE_MS = 86_400_000;
/** `'uri' file size SHA256:sum`, as `apt-get download --print-uris` says it. */
const LINE = /^'[^']+' (([^_]+)_([^_]+)_[^_]+\.deb) \d+ SHA256:([0-9a-f]{64})$/;

interface Found {
  readonly file: string;
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

/**
 * The newest versions of the packages, unpacked. Only those named: whoever names them knows what they
 * need. Uses apt with an index of its own, so that the machine's is neither needed nor changed.
 */
export async function debianPackages(
  names: readonly string[],
  architecture: Architecture,
  cache: string,
  progress: Progress,
): Promise<DebianPackage[]> {
  const root = join(cache, "debian", architecture);
  return withLock(`debian ${root}`, progress, async () => {
    await mkdir(root, { recursive: true });
    const apt = await privateApt(root, architecture, progress);
    const found = await resolve(apt, root, names, architecture);
    const missing = found.filter(({ file }) => !existsSync(join(root, "unpacked", file)));
    if (missing.length > 0) {
      progress(`fetching ${missing.map(each => each.name).join(" ")} (${architecture})`);
      await download(apt, root, missing);
    }
    return found.map(({ file, ...rest }) => ({
      ...rest,
      architecture,
      folder: join(root, "unpacked", file),
    }));
  });
}

/** The command line of an apt that knows only this architecture. */
async function privateApt(
  root: string,
  architecture: Architecture,
  progress: Progress,
): Promise<string[]> {
  const state = join(root, "apt");
  await mkdir(join(state, "lists/partial"), { recursive: true });
  await mkdir(join(state, "cache/archives/partial"), { recursive: true });
  const options = [
    `Dir::State=${state}`,
    `Dir::State::lists=${join(state, "lists")}`,
    "Dir::State::status=/dev/null",
    `Dir::Cache=${join(state, "cache")}`,
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    "APT::Sandbox::User=root",
    "Acquire::Languages=none",
  ];
  const apt = ["apt-get", ...options.flatMap(option => ["-o", option])];
  if (await isOlder(join(state, "updated"), INDEX_MAX_AGE_MS)) {
    progress(`asking Debian what there is for ${architecture}`);
    await must([...apt, "update", "--quiet"]);
    await writeFile(join(state, "updated"), "");
  }
  return apt;
}

async function resolve(
  apt: readonly string[],
  root: string,
  names: readonly string[],
  architecture: Architecture,
): Promise<Found[]> {
  const key = createHash("sha256").update(names.join(" ")).digest("hex").slice(0, 16);
  const file = join(root, `resolved-${key}`);
  if (await isOlder(file, INDEX_MAX_AGE_MS))
    await writeFile(file, await must([...apt, "download", "--print-uris", ...names]));
  const lines = (await readFile(file, "utf8")).split("\n");
  const found = lines.flatMap(line => {
    const [, deb = "", name = "", version = "", sha256 = ""] = LINE.exec(line) ?? [];
    return deb === "" ? [] : [{ file: deb, name, version: decodeURIComponent(version), sha256 }];
  });
  const absent = names.filter(name => !found.some(each => each.name === name));
  if (absent.length > 0) {
    await rm(file);
    throw new Error(`apt knows no package ${absent.join(", ")} for ${architecture}`);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function download(
  apt: readonly string[],
  root: string,
  missing: readonly Found[],
): Promise<void> {
  const folder = join(root, "debs");
  await mkdir(folder, { recursive: true });
  await mkdir(join(root, "unpacked"), { recursive: true });
  const wanted = missing.map(({ name, version }) => `${name}=${version}`);
  await must(["env", `--chdir=${folder}`, ...apt, "download", "--quiet", ...wanted]);
  for (const { file, sha256 } of missing) {
    const deb = join(folder, file);
    const found = createHash("sha256")
      .update(await readFile(deb))
      .digest("hex");
    if (found !== sha256) throw new Error(`${deb}: SHA-256 is ${found}, expected ${sha256}`);
    const target = join(root, "unpacked", file);
    const scratch = `${target}.new`;
    await rm(scratch, { recursive: true, force: true });
    await must(["dpkg-deb", "--extract", deb, scratch]);
    await rename(scratch, target);
    await rm(deb);
  }
}

async function isOlder(file: string, ageMs: number): Promise<boolean> {
  if (!existsSync(file)) return true;
  const { mtimeMs } = await stat(file);
  return Date.now() - mtimeMs > ageMs;
}

async function must(command: readonly string[]): Promise<string> {
  const [program = "", ...args] = command;
  const result = await runCommand(program, args, { timeoutMs: TIMEOUT_MS });
  if (result.code !== 0) throw new Error(`${command.slice(-4).join(" ")}: ${complaint(result)}`);
  return result.stdout;
}
