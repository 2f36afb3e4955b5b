/**
 * Where a local mesh keeps its things: `$LATEEN_HOME/<mesh>`, by default under /var/lib/lateen.
 * Everything below is readable by its owner only: the store holds the CA's key.
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../cli/command.ts";
import { isAlive, type ProcessId } from "../local/proc.ts";

export const DEFAULT_MESH = "default";
const DEFAULT_HOME = "/var/lib/lateen";
const PRIVATE_DIR = 0o700;
const PRIVATE_FILE = 0o600;
const PROBE_BYTES = 4096;

/** What a running `lateen up` tells the other commands. */
export interface MeshState {
  readonly supervisor: ProcessId;
  /** The store's Kubernetes API. */
  readonly api: { readonly url: string; readonly token: string; readonly ca: string };
  /** The control plane's debug interface, e.g. `http://127.0.0.1:8080`. */
  readonly debugUrl: string;
  /** How the host reaches the ingress gateway, e.g. `10.77.0.1:80`; undefined without one. */
  readonly ingress: string | undefined;
  readonly startedAt: string;
}

export interface MeshHome {
  readonly name: string;
  readonly dir: string;
  readonly storeFile: string;
  readonly kubeconfigFile: string;
  readonly runtimeDir: string;
  readonly logFile: string;
}

/** Mesh names become part of interface and namespace names, which are short. */
const MESH_NAME = /^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/;

export function isMeshName(name: string): boolean {
  return MESH_NAME.test(name);
}

export function meshHome(home: string | undefined, name: string): MeshHome {
  const dir = resolve(home ?? DEFAULT_HOME, name);
  return {
    name,
    dir,
    storeFile: join(dir, "store.db"),
    kubeconfigFile: join(dir, "kubeconfig"),
    runtimeDir: join(dir, "runtime"),
    logFile: join(dir, "control-plane.log"),
  };
}

/** Throws UserError where there can be no such folder. */
export function createMeshHome(home: MeshHome): void {
  try {
    makeDirectory(home.dir);
    chmodSync(home.dir, PRIVATE_DIR);
    probe(home.dir);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `the mesh can not keep its files in ${home.dir}: ${why}`,
      "set LATEEN_HOME to a folder that can be written",
    );
  }
}

/** An empty file would fit on a full disk. */
function probe(directory: string): void {
  const file = join(directory, ".writable");
  try {
    writeFileSync(file, "x".repeat(PROBE_BYTES), { mode: PRIVATE_FILE });
  } finally {
    rmSync(file, { force: true });
  }
}

/** One folder after the other: the recursive form does not return where a file system refuses. */
function makeDirectory(directory: string): void {
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  if (found === undefined) makeDirectory(dirname(directory));
  mkdirSync(directory, { mode: PRIVATE_DIR });
}

/**
 * Folders of this machine that pods see empty: all that meshes keep. Where their folder holds other
 * things, too, these stay visible.
 */
export function hiddenFromPods(home: MeshHome): string[] {
  const all = dirname(home.dir);
  const entries = readdirSync(all).map(name => join(all, name));
  const meshes = entries.filter(dir => dir === home.dir || existsSync(join(dir, "store.db")));
  const own = entries.length === meshes.length ? [all] : meshes;
  return [...new Set([DEFAULT_HOME, ...own])];
}

const stateFile = (home: MeshHome): string => join(home.dir, "state.json");

export function writeState(home: MeshHome, state: MeshState): void {
  writePrivate(stateFile(home), JSON.stringify(state, undefined, 2));
}

/** Whole or not at all, so that a reader never sees half a file. */
export function writePrivate(file: string, text: string): void {
  const next = `${file}.next`;
  try {
    writeFileSync(next, text, { mode: PRIVATE_FILE });
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  renameSync(next, file);
}

export function removeState(home: MeshHome): void {
  rmSync(stateFile(home), { force: true });
}

/** The state of a mesh that runs; undefined when there is none or its supervisor is gone. */
export function runningState(home: MeshHome): MeshState | undefined {
  const state = recordedState(home);
  return state !== undefined && isAlive(state.supervisor) ? state : undefined;
}

/** The state as last written, by a supervisor that may be gone. */
export function recordedState(home: MeshHome): MeshState | undefined {
  if (!existsSync(stateFile(home))) return undefined;
  try {
    return JSON.parse(readFileSync(stateFile(home), "utf8")) as MeshState;
  } catch {
    return undefined;
  }
}

/** Names of meshes that keep something under the same home, whether they run or not. */
export function meshesKept(home: string | undefined): string[] {
  const dir = home ?? DEFAULT_HOME;
  return existsSync(dir) && !isHidden(home) ? readdirSync(dir).filter(isMeshName) : [];
}

/** Whether the folder of meshes is there and not for this user, who may still ask a cluster. */
export function isHidden(home: string | undefined): boolean {
  try {
    accessSync(home ?? DEFAULT_HOME, constants.R_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}

/** Names of meshes that run now under the same home. */
export function runningMeshes(home: string | undefined): string[] {
  return meshesKept(home).filter(name => runningState(meshHome(home, name)) !== undefined);
}

/**
 * The mesh that commands are about: the one that was named, else the only one that runs, whatever
 * its name, else the one of the default name. Ambiguous: several run, none of that name.
 */
export function chosenMesh(
  home: string | undefined,
  named: string | undefined,
): { readonly name: string } | { readonly ambiguous: readonly string[] } {
  if (named !== undefined) return { name: named };
  const running = runningMeshes(home);
  const [only = DEFAULT_MESH, second] = running;
  if (second === undefined) return { name: only };
  return running.includes(DEFAULT_MESH) ? { name: DEFAULT_MESH } : { ambiguous: running };
}
