import { readFileSync, writeFileSync } from "node:fs";

/**
 * An Envoy on two cores holds four inotify instances, and aborts where it gets none (Envoy's
 * filesystem watcher). Linux allows each user 128, which is 32 Envoys; Kubernetes' own tools for
 * one machine ask for more, too.
 */
const INSTANCES = 8192;
const LIMIT_FILE = "/proc/sys/fs/inotify/max_user_instances";

export type InotifyLimit =
  | { readonly kind: "enough" }
  | { readonly kind: "raised"; readonly from: number; readonly to: number }
  | { readonly kind: "low"; readonly limit: number; readonly wanted: number };

/** Raises the machine's limit of inotify instances where it is lower than many pods need. */
export function ensureInotifyInstances(file: string = LIMIT_FILE): InotifyLimit {
  const limit = readLimit(file);
  if (limit === undefined || limit >= INSTANCES) return { kind: "enough" };
  try {
    writeFileSync(file, `${INSTANCES}\n`);
  } catch {
    return { kind: "low", limit, wanted: INSTANCES };
  }
  return { kind: "raised", from: limit, to: INSTANCES };
}

function readLimit(file: string): number | undefined {
  try {
    const limit = Number.parseInt(readFileSync(file, "utf8"), 10);
    return Number.isNaN(limit) ? undefined : limit;
  } catch {
    return undefined;
  }
}
