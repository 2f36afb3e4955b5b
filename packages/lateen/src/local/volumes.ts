import { isAbsolute, join, normalize } from "node:path";
import type { Container } from "../api/pod/container.ts";
import type { Pod } from "../api/pod/schema.ts";
import { depthOf, isBelow, type Look, placeOf } from "./mount-plan.ts";
import { VOLUME_ROOT } from "./sandbox.ts";

/** What is put over a path in a pod. */
export interface VolumeBind {
  readonly volume: string;
  /** A path of the machine; undefined: the pod's own volume of that name. */
  readonly hostPath: string | undefined;
  /** Below the volume; may be empty. */
  readonly subPath: string;
  /** Without symbolic links. */
  readonly target: string;
  /** Every container that mounts it asks for that: they share one view. */
  readonly readOnly: boolean;
  /** The folder of the machine in which something has to be made to mount at; undefined: none. */
  readonly above: string | undefined;
}

export interface VolumeFile {
  readonly path: string;
  readonly content: string;
}

export type VolumePlan =
  | {
      readonly ok: true;
      readonly directories: readonly string[];
      readonly files: readonly VolumeFile[];
      /** Upper ones first, as what is below has to be mounted later. */
      readonly binds: readonly VolumeBind[];
    }
  /** `retry`: an object that is not there yet may come. */
  | { readonly ok: false; readonly retry: boolean; readonly message: string };

type Data = (
  kind: "ConfigMap" | "Secret",
  name: string,
) => Readonly<Record<string, string>> | undefined;
type Volume = Pod["spec"]["volumes"][number];
type Refusal = VolumePlan & { readonly ok: false };

/** Longest path that Linux takes. */
const MAX_PATH = 4095;
const MAX_NAME = 255;

/**
 * The volumes of a pod: ConfigMaps and Secrets as files as they are when the pod starts, emptyDir in
 * memory, hostPath. Other kinds of volumes need a cluster's storage and are refused.
 */
export function planFiles(pod: Pod, data: Data): VolumePlan {
  const directories: string[] = [];
  const files: VolumeFile[] = [];
  for (const volume of pod.spec.volumes) {
    const content = contentOf(volume, data);
    if (!content.ok) return content;
    if (volume.hostPath === undefined) directories.push(join(VOLUME_ROOT, volume.name));
    files.push(...content.files);
  }
  return { ok: true, directories, files, binds: [] };
}

/**
 * Where containers that share one view of the file system mount them: two volumes at one path are an
 * error.
 */
export function planBinds(pod: Pod, containers: readonly Container[], look: Look): VolumePlan {
  const binds = new Map<string, VolumeBind>();
  for (const container of containers)
    for (const mount of container.volumeMounts) {
      const bind = bindOf(pod, mount, look);
      if ("ok" in bind) return bind;
      const other = binds.get(bind.target);
      if (other !== undefined && !sameSource(other, bind))
        return refuse(
          `two volumes at ${bind.target}: the containers of a pod share their files here`,
        );
      const readOnly = bind.readOnly && other?.readOnly !== false;
      binds.set(bind.target, { ...bind, readOnly });
    }
  const sorted = [...binds.values()].sort((a, b) => depthOf(a.target) - depthOf(b.target));
  return { ok: true, directories: [], files: [], binds: sorted.map(inOneAbove(sorted)) };
}

/** What lies in another volume is made there. */
function inOneAbove(all: readonly VolumeBind[]): (bind: VolumeBind) => VolumeBind {
  return bind =>
    all.some(other => isBelow(bind.target, other.target)) ? { ...bind, above: undefined } : bind;
}

type Mount = Container["volumeMounts"][number];

function bindOf(pod: Pod, mount: Mount, look: Look): VolumeBind | Refusal {
  const { name, mountPath, subPath = "", readOnly = false } = mount;
  const volume = pod.spec.volumes.find(candidate => candidate.name === name);
  if (volume === undefined) return refuse(`volumeMount ${name}: there is no such volume`);
  const target = normalize(mountPath).replace(/(.)\/$/, "$1");
  const what = `volumeMount ${name}: ${JSON.stringify(mountPath)}`;
  if (!isAbsolute(target) || target === "/" || !isPath(target))
    return refuse(`${what} is no path to mount at`);
  if (/^\/proc(\/|$)/.test(target))
    return refuse(`${what} is in /proc, where nothing can be mounted`);
  if (hasParent(subPath) || (subPath !== "" && !isPath(subPath)))
    return refuse(`volumeMount ${name}: subPath ${JSON.stringify(subPath)} is no path below it`);
  const hostPath = volume.hostPath?.path;
  if (hostPath !== undefined && (!isAbsolute(hostPath) || !isPath(hostPath)))
    return refuse(`volume ${name}: hostPath ${JSON.stringify(hostPath)} is no absolute path`);
  const place = placeOf(target, look);
  if (place === undefined) return refuse(`${what} leads through a file, or a link to nothing`);
  const { path, above } = place;
  return { volume: name, hostPath, subPath, target: path, readOnly, above };
}

function sameSource(one: VolumeBind, other: VolumeBind): boolean {
  return one.volume === other.volume && normalize(one.subPath) === normalize(other.subPath);
}

function hasParent(path: string): boolean {
  return path.split("/").includes("..");
}

/** Something that the kernel takes for a path. */
function isPath(path: string): boolean {
  const bytes = Buffer.byteLength(path);
  const tooLong = path.split("/").some(part => Buffer.byteLength(part) > MAX_NAME);
  return bytes <= MAX_PATH && !tooLong && !path.includes("\0") && path.isWellFormed();
}

type Content = { readonly ok: true; readonly files: VolumeFile[] } | Refusal;

function contentOf(volume: Volume, data: Data): Content {
  const { configMap, secret, emptyDir, hostPath } = volume;
  if (configMap === undefined && secret === undefined && emptyDir === undefined)
    return hostPath === undefined
      ? refuse(`volume ${volume.name}: only configMap, secret, emptyDir and hostPath are supported`)
      : { ok: true, files: [] };
  const wanted = configMap ?? secret;
  if (wanted === undefined) return { ok: true, files: [] };
  const kind = configMap === undefined ? "Secret" : "ConfigMap";
  const name = configMap?.name ?? secret?.secretName ?? "";
  const found = data(kind, name);
  // The words are the kubelet's: people look for them.
  const what = `MountVolume.SetUp failed for volume "${volume.name}" : `;
  if (found === undefined && wanted.optional !== true)
    return {
      ok: false,
      retry: true,
      message: `${what}${kind.toLowerCase()} "${name}" not found`,
    };
  const entries = new Map(Object.entries(found ?? {}));
  const items =
    (wanted.items ?? []).length === 0
      ? [...entries.keys()].map(key => ({ key, path: key }))
      : (wanted.items ?? []);
  const files: VolumeFile[] = [];
  for (const { key, path } of items) {
    const content = entries.get(key);
    if (path === "" || isAbsolute(path) || hasParent(path) || !isPath(path))
      return refuse(`volume ${volume.name}: ${JSON.stringify(path)} is no relative path`);
    if (content !== undefined) files.push({ path: join(VOLUME_ROOT, volume.name, path), content });
    else if (found !== undefined && wanted.optional !== true)
      return {
        ok: false,
        retry: true,
        message: `${what}${kind.toLowerCase()} references non-existent config key: ${key}`,
      };
  }
  return { ok: true, files };
}

function refuse(message: string): Refusal {
  return { ok: false, retry: false, message };
}
