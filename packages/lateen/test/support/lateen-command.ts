/** `lateen` as a process, for tests of what it does to a cluster. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import type { KubeCluster, Ran } from "./kube-cluster.ts";

/** As people have it: it keeps what Node has compiled, and so starts in half the time. */
const own = join(import.meta.dirname, "../../bin/lateen.mjs");
/** Longer than the program itself waits for pods to come or go, so that it can say what is missing. */
const TIMEOUT_MS = 400_000;
const MAX_OUTPUT = 64 << 20;

/**
 * As the cluster's administrator; nobody is at the terminal, so every question is a no. Never rejects:
 * what went wrong is in the result.
 */
export function lateenOn(cluster: KubeCluster, ...args: readonly string[]): Promise<Ran> {
  return programOn(own, cluster, ...args);
}

/** The same with the `lateen.mjs` of another checkout. */
export function programOn(
  program: string,
  cluster: KubeCluster,
  ...args: readonly string[]
): Promise<Ran> {
  return new Promise(done => {
    const settings = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT };
    const all = [program, ...args, "--kubeconfig", cluster.kubeconfig];
    const child = execFile(process.execPath, all, settings, (error, stdout, stderr) => {
      const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
      done({ code, stdout, stderr });
    });
    child.stdin?.end();
  });
}
