/** `lateen` as a person would type it, on a test cluster. */
import assert from "node:assert/strict";
import type { KubeCluster } from "./kube-cluster.ts";
import { lateenOn } from "./lateen-command.ts";

/** What an installation of profile demo prints. */
export const TICKS = `✔ Istio core installed
✔ Istiod installed
✔ Egress gateways installed
✔ Ingress gateways installed
✔ Installation complete
Making this installation the default for injection and validation.

Thank you for installing Lateen 0.1.
`;

export const PROFILES = `Istio configuration profiles:
    default
    demo
    empty
    external
    minimal
    openshift
    preview
    remote
`;

/** What `lateen` printed; fails the test where it fails. `words` are separated by single blanks. */
export async function lateen(cluster: KubeCluster, words: string): Promise<string> {
  const { code, stdout, stderr } = await lateenOn(cluster, ...words.split(" "));
  assert.equal(code, 0, `lateen ${words}: ${stderr || stdout}`);
  return stdout;
}

/** Lines without what pads the last column. */
export function rows(table: string): string[] {
  return table
    .trimEnd()
    .split("\n")
    .map(line => line.trimEnd());
}

/** Name of a pod with the label `app`, of the namespace that the flags name. */
export function podOf(
  cluster: KubeCluster,
  app: string,
  ...flags: readonly string[]
): Promise<string> {
  const path = "jsonpath={.items[0].metadata.name}";
  return cluster.must(["get", "pod", "-l", `app=${app}`, ...flags, "-o", path]);
}

/** Until a namespace has so many pods, all of them Running, and READY as wanted by their names. */
export async function untilRunning(
  cluster: KubeCluster,
  namespace: string,
  count: number,
  ready: (pod: string) => string,
): Promise<string[]> {
  const list = ["get", "pod", "-n", namespace, "--no-headers"];
  return cluster.until(`${count} pods of ${namespace} run`, async () => {
    const lines = rows(await cluster.must(list));
    const isUp = (line: string): boolean => {
      const [name = "", containers, status] = line.split(/ +/);
      return containers === ready(name) && status === "Running";
    };
    const wanting = lines.filter(line => !isUp(line));
    if (wanting.length > 0 || lines.length !== count)
      throw new Error(wanting.join("; ") || `there are ${lines.length}`);
    return lines;
  });
}
