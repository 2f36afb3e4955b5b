import { isAbsolute, join, normalize } from "node:path";
import type { Pod } from "../api/pod/schema.ts";
import { quote } from "./quote.ts";

/** What is put over a path in a pod. */
export interface VolumeBind {
  readonly source: string;
  readonly target: string;
  /** Every container that mounts it asks for that: they share one view. */
  readonly readOnly: boolean;
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
      readonly binds: readonly VolumeBind[];
    }
  /** `retry`: an object that is not there yet may come. */
  | { readonly ok: false; readonly retry: boolean; readonly message: string };

type Data = (
  kind: "ConfigMap" | "Secret",
  name: string,
) => Readonly<Record<string, string>> | undefined;
type Volume = Pod["spec"]["volumes"][number];

/** In the pod's own memory file system. */
const ROOT = "/run/lateen/volumes";

/**
 * The volumes of a pod: ConfigMaps and Secrets as files as they are when the pod starts, emptyDir in
 * memory, hostPath. All containers share one view of the file system, so two volumes at one path are
 * an error. Other kinds of volumes need a cluster's storage and are refused.
 */
export function planVolumes(pod: Pod, data: Data): VolumePlan {
  const binds = new Map<string, VolumeBind>();
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers])
    for (const { name, mountPath, subPath, readOnly = false } of container.volumeMounts) {
      const volume = pod.spec.volumes.find(candidate => candidate.name === name);
      if (volume === undefined) return refuse(`volumeMount ${name}: there is no such volume`);
      const target = normalize(mountPath).replace(/(.)\/$/, "$1");
      if (!isAbsolute(target) || target === "/" || hasParent(subPath ?? ""))
        return refuse(`volumeMount ${name}: ${mountPath} is no path to mount at`);
      const source = join(sourceOf(volume), subPath ?? "");
      const other = binds.get(target);
      if (other !== undefined && other.source !== source)
        return refuse(`two volumes at ${target}: the containers of a pod share their files here`);
      binds.set(target, { source, target, readOnly: readOnly && other?.readOnly !== false });
    }
  const directories: string[] = [];
  const files: VolumeFile[] = [];
  for (const volume of pod.spec.volumes) {
    const content = contentOf(volume, data);
    if (!content.ok) return content;
    if (volume.hostPath === undefined) directories.push(join(ROOT, volume.name));
    files.push(...content.files);
  }
  return { ok: true, directories, files, binds: [...binds.values()] };
}

function hasParent(path: string): boolean {
  return path.split("/").includes("..");
}

function sourceOf(volume: Volume): string {
  return volume.hostPath === undefined ? join(ROOT, volume.name) : volume.hostPath.path;
}

type Content = { readonly ok: true; readonly files: VolumeFile[] } | (VolumePlan & { ok: false });

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
  if (found === undefined && wanted.optional !== true)
    return {
      ok: false,
      retry: true,
      message: `volume ${volume.name}: ${kind} "${name}" not found`,
    };
  const entries = found ?? {};
  const items =
    (wanted.items ?? []).length === 0
      ? Object.keys(entries).map(key => ({ key, path: key }))
      : (wanted.items ?? []);
  const files: VolumeFile[] = [];
  for (const { key, path } of items) {
    const content = entries[key];
    if (isAbsolute(path) || hasParent(path))
      return refuse(`volume ${volume.name}: ${path} is no relative path`);
    if (content !== undefined) files.push({ path: join(ROOT, volume.name, path), content });
    else if (found !== undefined && wanted.optional !== true)
      return { ok: false, retry: true, message: `${kind} "${name}" has no key ${key}` };
  }
  return { ok: true, files };
}

function refuse(message: string): VolumePlan & { ok: false } {
  return { ok: false, retry: false, message };
}

/**
 * Shell commands that mount the volumes inside a pod. Where there is nothing to mount at, the nearest
 * folder above gets a layer of its own in the pod's memory: nothing is created on the host.
 */
export function mountScript(binds: readonly VolumeBind[]): string {
  if (binds.length === 0) return "";
  return `${BIND_FUNCTION}\n${binds
    .map(({ source, target, readOnly }) => {
      const option = readOnly ? "bind,ro" : "bind";
      return `bind_volume ${quote(source)} ${quote(target)} ${option}`;
    })
    .join("\n")}\n`;
}

const BIND_FUNCTION = `bind_volume() {
  if [ ! -e "$2" ]; then
    above="$2"
    while [ ! -d "$above" ]; do above="\${above%/*}"; done
    case "$above" in
      "") echo "$2: no folder can be made at the root of this machine" >&2; exit 1 ;;
      /run|/run/*) ;;
      *)
        layer="/run/lateen/layers$above"
        mkdir -p "$layer/upper" "$layer/work"
        mount -t overlay -o "lowerdir=$above,upperdir=$layer/upper,workdir=$layer/work" \\
          lateen "$above" ;;
    esac
    if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "\${2%/*}" && : > "$2"; fi
  fi
  mount -o "$3" "$1" "$2"
}`;
