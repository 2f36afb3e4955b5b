/** What the commands say to an account without rights, and of a control plane without replicas. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { type KubeCluster, kubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import { lateenOn } from "../support/lateen-command.ts";

const skip = needsKubernetes();

/** A kubeconfig of an account that nobody gave a right. */
async function kubeconfigOfNobody(
  cluster: KubeCluster,
  namespace: string,
  folder: string,
): Promise<string> {
  await cluster.must(["create", "serviceaccount", "nobody", "-n", namespace]);
  const token = await cluster.must(["create", "token", "nobody", "-n", namespace]);
  const config = parse(await readFile(cluster.kubeconfig, "utf8"));
  config.users = config.users.map(({ name }: { name: string }) => ({ name, user: { token } }));
  const file = join(folder, "kubeconfig");
  await writeFile(file, stringify(config), { mode: 0o600 });
  return file;
}

describe("commands", { skip, timeout: 300_000 }, () => {
  test("of an account without rights name what it may not", async t => {
    const cluster = await kubeCluster();
    const { name: namespace } = await cluster.namespace(t);
    const folder = await mkdtemp(join(tmpdir(), "lateen-no-rights-"));
    try {
      const kubeconfig = await kubeconfigOfNobody(cluster, namespace, folder);
      const nobody = { kubeconfig } as KubeCluster;
      const said: Readonly<Record<string, RegExp>> = {
        ps: /^the cluster does not tell its pods: pods is forbidden: User "system:serviceaccount:/,
        [`pc clusters x.${namespace}`]: /^pods "x" is forbidden: User "system:serviceaccount:/,
        "x check-inject deploy/x":
          /^deployments.apps "x" is forbidden: User "system:serviceaccount:/,
        "install -y": /^the cluster does not tell what is installed: deployments.apps is forbidden/,
      };
      for (const [words, pattern] of Object.entries(said)) {
        const { code, stderr } = await lateenOn(nobody, ...words.split(" "));
        assert.equal(code, 1, words);
        assert.match(stderr, pattern);
      }
      const version = await lateenOn(nobody, "version");
      assert.equal(version.code, 0);
      assert.match(version.stdout, /^the cluster does not tell its pods: .*\n\d[^\n]*\n$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("say of a control plane without replicas how it comes back", async t => {
    const cluster = await kubeCluster();
    const { name: namespace } = await cluster.namespace(t);
    const create = ["create", "deployment", "istiod", "--image=x", "--replicas=0"];
    await cluster.must([...create, "-n", namespace]);
    await cluster.must([
      "label",
      "deployment",
      "istiod",
      "app=istiod",
      "--overwrite",
      "-n",
      namespace,
    ]);
    const { code, stderr } = await lateenOn(cluster, "ps", "-i", namespace);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `no running Istio pods in "${namespace}"\nits Deployment has 0 replicas: ` +
        `kubectl scale deployment istiod -n ${namespace} --replicas 1\n`,
    );
  });
});
