/**
 * Which mesh a command is about: one of this machine, or one in a Kubernetes cluster. One rule for all
 * commands: what a flag names; else what the environment names (LATEEN_MESH, then KUBECONFIG); else a mesh
 * that runs on this machine; else the cluster that kubectl would take. A command that can only be about
 * the other kind refuses, so that no two commands of one terminal act on different meshes.
 */
import { existsSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type FlagValues, UserError } from "../cli/command.ts";
import type { Output } from "../cli/context.ts";
import { meshesKept, meshHome, runningMeshes } from "./mesh-home.ts";
import { kubeconfigFiles, personsCluster } from "./open-cluster.ts";

export interface WhichMesh {
  readonly kind: "local" | "cluster";
  /** Name of the local mesh; undefined: the only one that runs. */
  readonly mesh: string | undefined;
  /** What decided, for a person; undefined: nothing is there of either kind. */
  readonly by: string | undefined;
  /** Said where one of the other kind is there, too, and no flag decided; else "". */
  readonly note: string;
}

/** `home` is LATEEN_HOME. Throws a `UserError` where flags contradict one another. */
export function whichMesh(flags: FlagValues, home: string | undefined): WhichMesh {
  const byFlag = namedByFlag(flags, home);
  if (byFlag !== undefined) return byFlag;
  const running = readable(() => runningMeshes(home));
  return namedByEnvironment(home, running) ?? found(running);
}

function namedByFlag(flags: FlagValues, home: string | undefined): WhichMesh | undefined {
  const mesh = text(flags, "mesh");
  const cluster = clusterFlag(flags);
  if (mesh !== undefined && cluster !== undefined)
    throw new UserError(
      `--mesh names a mesh of this machine, and --${cluster} a cluster`,
      "leave one of them out",
    );
  if (mesh !== undefined) return { kind: "local", mesh, by: "--mesh", note: "" };
  if (cluster === undefined) return undefined;
  const file = text(flags, "kubeconfig");
  const own = file === undefined ? undefined : meshOfKubeconfig(home, [file]);
  if (own !== undefined) return { kind: "local", mesh: own, by: "--kubeconfig", note: "" };
  return { kind: "cluster", mesh: undefined, by: `--${cluster}`, note: "" };
}

function namedByEnvironment(
  home: string | undefined,
  running: readonly string[],
): WhichMesh | undefined {
  const mesh = process.env["LATEEN_MESH"] || undefined;
  if (mesh !== undefined) {
    const note = aboutLocal(mesh, "LATEEN_MESH", clusterThere());
    return { kind: "local", mesh, by: "LATEEN_MESH", note };
  }
  if ((process.env["KUBECONFIG"] ?? "") === "") return undefined;
  const files = kubeconfigFiles(undefined);
  const own = meshOfKubeconfig(home, files);
  if (own !== undefined) return { kind: "local", mesh: own, by: "KUBECONFIG", note: "" };
  const note = aboutCluster(`KUBECONFIG (${files.join(", ")})`, running);
  return { kind: "cluster", mesh: undefined, by: "KUBECONFIG", note };
}

function found(running: readonly string[]): WhichMesh {
  const cluster = clusterThere();
  if (running.length > 0) {
    const by = "it runs";
    const note = aboutLocal(running.length === 1 ? running[0] : undefined, by, cluster);
    return { kind: "local", mesh: undefined, by, note };
  }
  if (cluster === undefined) return { kind: "local", mesh: undefined, by: undefined, note: "" };
  return { kind: "cluster", mesh: undefined, by: cluster, note: "" };
}

function aboutLocal(mesh: string | undefined, by: string, cluster: string | undefined): string {
  if (cluster === undefined) return "";
  const which = mesh === undefined ? "a mesh" : `mesh "${mesh}"`;
  return `about ${which} of this machine (${by}); --kubeconfig or --context means a cluster (there is ${cluster})\n`;
}

function aboutCluster(by: string, running: readonly string[]): string {
  if (running.length === 0) return "";
  return `about the cluster of ${by}; --mesh means a mesh of this machine (running: ${running.join(", ")})\n`;
}

/** Where a cluster would be found that no flag names. */
function clusterThere(): string | undefined {
  if ((process.env["KUBECONFIG"] ?? "") !== "") return "one of KUBECONFIG";
  if (process.env["KUBERNETES_SERVICE_HOST"] !== undefined) return "that of this pod";
  const file = kubeconfigFiles(undefined).find(each => existsSync(each));
  return file === undefined ? undefined : `one in ${file}`;
}

/** `lateen up` writes a kubeconfig for kubectl: whoever names it means that mesh. */
function meshOfKubeconfig(home: string | undefined, files: readonly string[]): string | undefined {
  const [file, ...more] = files;
  if (file === undefined || more.length > 0) return undefined;
  const place = realPath(file);
  return readable(() => meshesKept(home)).find(
    name => realPath(meshHome(home, name).kubeconfigFile) === place,
  );
}

function realPath(file: string): string {
  return existsSync(file) ? realpathSync(file) : resolve(file);
}

/** Meshes are root's: to others there are none, and who opens one is told why it can not be. */
function readable(names: () => readonly string[]): readonly string[] {
  try {
    return names();
  } catch {
    return [];
  }
}

/** For commands that are about a cluster only. */
export function requireCluster({ kind, mesh, by }: WhichMesh): void {
  // Nothing is there of either kind: what is missing is the cluster.
  if (kind === "cluster" || by === undefined) return;
  const which = mesh === undefined ? "a mesh of this machine" : `mesh "${mesh}" of this machine`;
  throw new UserError(
    `this command is about a Kubernetes cluster, and ${which} is meant (${by})`,
    "name the cluster: --context NAME or --kubeconfig FILE",
  );
}

/** For commands that are about a mesh of this machine only. */
export function refuseCluster(flags: FlagValues): void {
  const flag = clusterFlag(flags);
  if (flag === undefined) return;
  throw new UserError(
    `this command is about a mesh of this machine, and --${flag} names a cluster`,
    "--mesh NAME names one of several meshes of this machine",
  );
}

/** The flag that names a cluster; throws where flags about it contradict one another. */
function clusterFlag(flags: FlagValues): string | undefined {
  const { kubeconfig, context, as } = personsCluster(flags);
  if (kubeconfig !== undefined) return "kubeconfig";
  if (context !== undefined) return "context";
  return as === undefined ? undefined : "as";
}

function text(flags: FlagValues, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

const said = new WeakMap<Output, Set<string>>();

/** Once, however often a command opens its mesh. */
export function sayOnce(output: Output, note: string): void {
  const before = said.get(output) ?? new Set();
  said.set(output, before);
  if (note === "" || before.has(note)) return;
  before.add(note);
  output.write(note);
}
