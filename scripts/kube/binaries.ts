/**
 * The programs of a Kubernetes cluster, built from the Go modules beside this file and kept outside
 * the work tree, under a key made of everything that they come from.
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, rmSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { complaint, runCommand } from "../../packages/lateen/src/local/command.ts";
import { cacheDir, searchPath } from "../../packages/lateen/src/local/envoy-binary.ts";
import { withLock } from "./lock.ts";
import type { Progress } from "./progress.ts";
import { isWhole, seal } from "./whole-folder.ts";

export const KUBERNETES_VERSION = "1.36.1";

const modules = join(import.meta.dirname, "go");
const BUILD_TIMEOUT_MS = 3_600_000;
const REPORT_MS = 30_000;
/** Names under which the multi-call binary is each of its components. */
const COMPONENTS = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-proxy",
  "kube-scheduler",
  "kubectl",
  "kubelet",
];

interface Program {
  readonly name: string;
  /** Package to build, from the folder `go/<name>`. */
  readonly main: string;
  readonly ldflags: string;
}

const PROGRAMS: readonly Program[] = [
  { name: "hyperkube", main: ".", ldflags: versionFlags() },
  { name: "coredns", main: ".", ldflags: "" },
  { name: "kwok", main: "sigs.k8s.io/kwok/cmd/kwok", ldflags: "" },
  { name: "pause", main: ".", ldflags: "" },
];

/** Configuration for kwok, beside the programs. */
export const KWOK_STAGES = "kwok-stages.yaml";

/** What has to be in the folder, beside the links to one of them. */
const FILES = [...PROGRAMS.map(program => program.name), KWOK_STAGES];

/**
 * Folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy,
 * kubectl, coredns, kwok and pause, static and stripped. Builds what is missing or damaged: seven
 * minutes on two idle cores the first time. Throws where it can not.
 */
export async function kubernetesBinaries(progress: Progress): Promise<string> {
  const parent = join(cacheDir(process.env), "kube");
  const target = join(parent, `bin-${contentKey()}`);
  if (await isUsable(target)) return target;
  await mkdir(parent, { recursive: true });
  return withLock(`build ${parent}`, progress, async () => {
    if (await isUsable(target)) return target;
    requireGo();
    const scratch = await mkdtemp(join(parent, "build-"));
    try {
      await buildAll(scratch, progress);
      rmSync(target, { recursive: true, force: true });
      await rename(scratch, target);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
    return target;
  });
}

async function isUsable(folder: string): Promise<boolean> {
  const linked = COMPONENTS.every(component => existsSync(join(folder, component)));
  return linked && (await isWhole(folder, FILES));
}

async function buildAll(into: string, progress: Progress): Promise<void> {
  for (const [i, program] of PROGRAMS.entries()) {
    progress(`building ${program.name} (${i + 1} of ${PROGRAMS.length})`);
    await build(program, join(into, program.name), progress);
  }
  for (const component of COMPONENTS) await symlink("hyperkube", join(into, component));
  await writeKwokStages(into);
  await chmod(into, 0o755);
  await seal(into, FILES);
}

async function build(program: Program, output: string, progress: Progress): Promise<void> {
  const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", "grpcnotrace"];
  const args = ["build", ...flags, "-ldflags", `-s -w ${program.ldflags}`, "-o", output];
  const started = performance.now();
  const minutes = () => ((performance.now() - started) / 60_000).toFixed(1);
  const timer = setInterval(
    () => progress(`  still building ${program.name}: ${minutes()} minutes`),
    REPORT_MS,
  );
  try {
    const folder = join(modules, program.name);
    const command = ["-n", "10", "go", "-C", folder, ...args, program.main];
    const result = await runCommand("nice", command, {
      env: { ...environment(), CGO_ENABLED: "0" },
      timeoutMs: BUILD_TIMEOUT_MS,
    });
    if (result.code !== 0) throw new Error(`go build ${program.name}: ${complaint(result)}`);
  } finally {
    clearInterval(timer);
  }
}

/** How kwok's pods and nodes get on: its own "fast" set, as its module brings it. */
async function writeKwokStages(into: string): Promise<void> {
  const env = environment();
  const list = ["-C", join(modules, "kwok"), "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"];
  const found = await runCommand("go", list, { env });
  const folder = join(found.stdout.trim(), "kustomize/stage/fast");
  const stages = await runCommand(join(into, "kubectl"), ["kustomize", folder], { env });
  if (stages.code !== 0) throw new Error(`the stages of kwok: ${complaint(stages)}`);
  await writeFile(join(into, KWOK_STAGES), stages.stdout);
}

function environment(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    // A workspace file or flags of the user's own would change what is built.
    if (value !== undefined && name !== "GOWORK" && name !== "GOFLAGS") found[name] = value;
  }
  return { ...found, GOWORK: "off" };
}

/** Changes with every source, module version and build flag. */
function contentKey(): string {
  const hash = createHash("sha256");
  for (const program of PROGRAMS) hash.update(JSON.stringify(program));
  for (const file of globSync("*/*", { cwd: modules }).sort())
    hash.update(file).update(readFileSync(join(modules, file)));
  hash.update(process.arch);
  return hash.digest("hex").slice(0, 16);
}

function requireGo(): void {
  if (searchPath("go", process.env["PATH"] ?? "") === undefined)
    throw new Error("go: not on PATH; Kubernetes is built from source, with Go 1.26 or newer");
}

/** What `kubectl version` and the API server say they are. */
function versionFlags(): string {
  const [major = "", minor = ""] = KUBERNETES_VERSION.split(".");
  const values: readonly (readonly [string, string])[] = [
    ["k8s.io/component-base/version.gitVersion", `v${KUBERNETES_VERSION}`],
    ["k8s.io/component-base/version.gitMajor", major],
    ["k8s.io/component-base/version.gitMinor", minor],
    ["k8s.io/component-base/version.gitTreeState", "clean"],
    ["k8s.io/component-base/version.buildDate", "2026-01-01T00:00:00Z"],
    ["k8s.io/client-go/pkg/version.gitVersion", `v${KUBERNETES_VERSION}`],
  ];
  return values.map(([name, value]) => `-X ${name}=${value}`).join(" ");
}
