/** The shell commands that mount in a pod what is its own: our files, and its volumes. */
import { layersFor } from "./mount-plan.ts";
import { quote } from "./quote.ts";
import { VOLUME_ROOT } from "./sandbox.ts";
import type { VolumeBind } from "./volumes.ts";

export interface MountOptions {
  /** Files of ours below /run/lateen: target -> source on the machine. */
  readonly programs: Readonly<Record<string, string>>;
  /** Files of ours in place of the machine's, such as /etc/hosts: target -> source in the pod. */
  readonly naming: Readonly<Record<string, string>>;
  readonly volumes: readonly VolumeBind[];
  /** A folder of the machine that is to be seen where it is, whatever volume lies over it. */
  readonly kept: string | undefined;
  /** Folders of the machine that are seen empty. */
  readonly hidden: readonly string[];
}

const OURS = "/run/lateen";

/**
 * The order matters. Ours first, then room for the volumes, before any of them hides something. Both are
 * held by a descriptor then: a volume may lie over the folder that they are in. The volumes follow,
 * upper ones first. What is hidden comes last: neither a layer nor a volume may uncover it.
 */
export function mountScript(options: MountOptions): string {
  const { programs, naming, volumes, kept, hidden } = options;
  const folders = volumes.flatMap(({ above }) => (above === undefined ? [] : [above]));
  const lines = [
    FUNCTIONS,
    ...Object.entries(programs).map(
      ([target, source]) => `mount -n --bind ${quote(source)} ${quote(target)}`,
    ),
    ...layersFor(folders).map((folder, i) =>
      folder === "/" ? "own_root" : `layer ${i} ${quote(folder)}`,
    ),
    // Not before: what the former root had mounted can not be mounted from any more.
    `exec 3<${OURS}`,
    ...(kept === undefined ? [] : [`[ ! -d ${quote(kept)} ] || exec 4<${quote(kept)}`]),
    ...volumes.map(bindLine),
    `again 3 ${OURS} --rbind`,
    ...(kept === undefined ? [] : [`again 4 ${quote(kept)} --bind 2>/dev/null || :`]),
    ...Object.entries(naming).map(
      ([target, source]) =>
        `[ ! -e ${quote(target)} ] || mount -n --bind ${quote(source)} ${quote(target)}`,
    ),
    ...hidden.map(hide),
    ...READ_ONLY.map(readOnly),
  ];
  return `${lines.join("\n")}\n`;
}

function bindLine({ volume, hostPath, subPath, target, readOnly }: VolumeBind): string {
  const own = hostPath === undefined;
  const base = own ? `/proc/self/fd/3/volumes/${volume}` : hostPath;
  const source = subPath === "" ? base : `${base}/${subPath}`;
  const option = readOnly ? "bind,ro" : "bind";
  return `volume ${quote(volume)} ${own ? "own" : "host"} ${quote(source)} ${quote(target)} ${option}`;
}

const MAKE_LAYER = `${VOLUME_ROOT}/.layers`;

/**
 * `layer`: a folder of the machine, with what is made in it in the pod's memory. `own_root`: the same
 * for /, whose folders keep what is mounted in them; made aside, over /sys, which comes back in it.
 */
const FUNCTIONS = `fail() { echo "$1" >&2; exit 1; }
layer() {
  mkdir -p "${MAKE_LAYER}/$1/upper" "${MAKE_LAYER}/$1/work"
  chmod --reference="$2" "${MAKE_LAYER}/$1/upper"
  chown --reference="$2" "${MAKE_LAYER}/$1/upper"
  cd -- "$2"
  mount -nc -t overlay -o "lowerdir=.,upperdir=${MAKE_LAYER}/$1/upper,workdir=${MAKE_LAYER}/$1/work" lateen .
  cd /
}
own_root() {
  mount -n -t tmpfs -o mode=0755,size=16m,nosuid,nodev lateen /sys
  for entry in /* /.[!.]*; do
    if [ "$entry" = /sys ]; then continue
    elif [ -L "$entry" ]; then cp -a -- "$entry" "/sys$entry"
    elif [ -d "$entry" ]; then mkdir -- "/sys$entry"; mount -nc --rbind "$entry" "/sys$entry"
    elif [ -f "$entry" ]; then : > "/sys$entry"; mount -nc --bind "$entry" "/sys$entry"
    fi
  done
  mkdir /sys/sys
  mount -n -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys/sys
  cd /sys
  pivot_root . .
  umount -l .
  cd /
}
volume() {
  if [ ! -e "$3" ]; then
    [ "$2" = own ] || fail "volume $1: hostPath $3 does not exist on this machine"
    mkdir -p -m 0777 -- "$3"
  fi
  if [ ! -e "$4" ]; then
    if [ -d "$3" ]; then mkdir -p -- "$4"; else mkdir -p -- "\${4%/*}"; : > "$4"; fi
  elif [ -d "$4" ]; then [ -d "$3" ] || fail "volume $1: $4 is a folder, and what is mounted is none"
  else [ ! -d "$3" ] || fail "volume $1: $4 is no folder, and what is mounted is one"
  fi
  mount -nc -o "$5" -- "$3" "$4"
  mount --version > /dev/null 2>&1 || fail "volume $1: at $4 it hides the machine's programs"
}
again() {
  [ "$2" -ef "/proc/self/fd/$1" ] || { mkdir -p -- "$2" && mount -nc "$3" "/proc/self/fd/$1" "$2"; }
}`;

/** Through these, root in a pod could reach the kernel of all: they can only be read. */
const READ_ONLY = ["sys", "sysrq-trigger", "irq", "bus", "fs"].map(name => `/proc/${name}`);

function hide(directory: string): string {
  const target = quote(directory);
  return `[ ! -d ${target} ] || mount -n -t tmpfs -o ro,mode=0555,size=4k lateen ${target}`;
}

function readOnly(path: string): string {
  return `[ ! -e ${path} ] || mount -n -o bind,ro ${path} ${path}`;
}
