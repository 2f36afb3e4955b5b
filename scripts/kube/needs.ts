import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { ClusterMode } from "./plan.ts";

/** Why there can be no cluster here, in words; false where there can be one. */
export function missingForKubernetes(mode: ClusterMode = "node"): string | false {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  if (!folders.some(each => each !== "" && existsSync(join(each, "go"))))
    return "needs go on PATH, to build Kubernetes";
  if (mode === "node" && process.getuid?.() !== 0) return "needs root, for a node's namespaces";
  return false;
}
