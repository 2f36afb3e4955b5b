/** The shared cluster for tests that install a mesh and take it away again, one file after the other. */
import assert from "node:assert/strict";
import { type ClusterSnapshot, everyObject, leftBehind } from "./cluster-snapshot.ts";
import { type KubeCluster, kubeCluster } from "./kube-cluster.ts";
import { lateenOn } from "./lateen-command.ts";

export class BareCluster {
  readonly cluster: KubeCluster;
  readonly #before: ClusterSnapshot;
  #isBare = false;

  private constructor(cluster: KubeCluster, before: ClusterSnapshot) {
    this.cluster = cluster;
    this.#before = before;
  }

  /** As it is before the installation, when what other tests have made and deleted is gone. */
  static async find(): Promise<BareCluster> {
    const cluster = await kubeCluster();
    await cluster.until("no namespace is on its way out", async () => {
      const path = "jsonpath={.items[*].metadata.deletionTimestamp}";
      return (await cluster.must(["get", "namespaces", "-o", path])) === "" ? true : undefined;
    });
    const before = await everyObject(cluster);
    assert.deepEqual(
      [...before.keys()].filter(key => /istio|lateen/.test(key) && !key.includes(" test-")),
      [],
    );
    return new BareCluster(cluster, before);
  }

  /** What is there that was not, is no longer there, or is not as it was. */
  async changes(): Promise<string[]> {
    return leftBehind(this.#before, await everyObject(this.cluster));
  }

  /** Until every object of any kind is as it was: pods and what belongs to them go a moment later. */
  async untilBare(): Promise<void> {
    await this.untilWithout("");
    this.#isBare = true;
  }

  /** The same of those with this word in their names or kinds. */
  async untilWithout(word: string): Promise<void> {
    await this.cluster.until(`nothing of ${word || "an installation"} is left`, async () => {
      const left = (await this.changes()).filter(line => line.includes(word));
      assert.deepEqual(left, []);
      return true;
    });
  }

  /** For `after`: where a test has failed half-way, the next file finds the cluster bare all the same. */
  async restore(): Promise<void> {
    if (this.#isBare) return;
    const { cluster } = this;
    await lateenOn(cluster, "uninstall", "--purge", "-y");
    await cluster.kubectl(["label", "namespace", "default", "istio-injection-"]);
    for (const line of await this.changes()) {
      const [what, kind = "", place = ""] = line.split(" ");
      if (what !== "created") continue;
      const [name = "", namespace] = place.split("/").reverse();
      const where = namespace === undefined ? [] : ["-n", namespace];
      await cluster.kubectl(["delete", kind, name, ...where, "--wait=false"]);
    }
  }
}
