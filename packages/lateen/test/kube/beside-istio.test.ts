/** Lateen as a revision beside an installed Istio: which objects it touches, from the first to the last. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import {
  type ClusterSnapshot,
  clusterChanges,
  clusterSnapshot,
} from "../support/cluster-snapshot.ts";
import { ISTIO_NAMESPACE, type IstioStandIn, standInForIstio } from "../support/istio-stand-in.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import { KubeNamespace } from "../support/kube-namespace.ts";
import { lateenOn } from "../support/lateen-command.ts";
import { untilRefusing } from "../support/validating-control-plane.ts";

const skip = needsKubernetes();
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";
const golden = join(import.meta.dirname, "../../src/install/testdata/beside-istio.golden.txt");
/** Of `kubectl wait`, which has 30 s otherwise. */
const PATIENCE = "--timeout=120s";
const BESIDE = ["install", "--revision", "lateen", "--set", "profile=minimal", "-y"];

function route(name: string, labels: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, labels: {${labels}}}
spec: {hosts: [${name}], http: [{route: [{destination: {host: nowhere}}]}]}
`;
}

/** Leases are renewed all the time. */
function withoutRenewals(lines: readonly string[]): string[] {
  return lines.filter(line => !line.startsWith("changed Lease "));
}

class Golden {
  readonly #parts: string[] = [];

  add(title: string, lines: readonly string[]): void {
    this.#parts.push([`# ${title}`, ...withoutRenewals(lines), ""].join("\n"));
  }

  check(): void {
    const now = this.#parts.join("\n");
    if (UPDATE) writeFileSync(golden, now);
    assert.equal(now, readFileSync(golden, "utf8"));
  }
}

describe("beside Istio", { skip, timeout: 900_000 }, () => {
  let cluster: KubeCluster;
  let istio: IstioStandIn;
  let before: ClusterSnapshot;
  const touched = new Golden();

  async function namespace(name: string, ...labels: readonly string[]): Promise<KubeNamespace> {
    await cluster.must(["create", "namespace", name]);
    if (labels.length > 0) await cluster.must(["label", "namespace", name, ...labels]);
    await cluster.must(["wait", "--for=create", "-n", name, "serviceaccount/default", PATIENCE]);
    return new KubeNamespace(cluster, name);
  }

  async function conditions(space: string, name: string): Promise<string> {
    const path = `/apis/networking.istio.io/v1/namespaces/${space}/virtualservices/${name}`;
    const { body } = await cluster.api({ path });
    return arrayAt(objectAt(body, "status"), "conditions")
      .filter(isObject)
      .map(each => stringAt(each, "type"))
      .join(" ");
  }

  async function podsBehind(service: string): Promise<string[]> {
    const selector = `kubernetes.io/service-name=${service}`;
    const path = `/apis/discovery.k8s.io/v1/namespaces/${ISTIO_NAMESPACE}/endpointslices`;
    const { body } = await cluster.api({ path: `${path}?labelSelector=${selector}` });
    const slices = arrayAt(body, "items").filter(isObject);
    const endpoints = slices.flatMap(each => arrayAt(each, "endpoints"));
    return endpoints
      .filter(isObject)
      .map(each => stringAt(objectAt(each, "targetRef"), "name").replace(/(-[^-]+){2}$/, ""));
  }

  /** Until the revision has written what it writes once: Leases, roots in webhooks, a closed validator. */
  async function settled(): Promise<void> {
    await untilRefusing(cluster, "istio-validator-lateen-istio-system");
    for (const each of [
      "mutatingwebhookconfiguration/istio-sidecar-injector-lateen",
      "lease/lateen-leader",
      "lease/lateen-leader-lateen",
    ])
      await cluster.until(`${each} is written`, async () => {
        const managers = "jsonpath={.metadata.managedFields[*].manager}";
        const get = ["get", each, "-n", ISTIO_NAMESPACE, "--show-managed-fields", "-o", managers];
        return (await cluster.must(get)).split(" ").includes("lateen") ? true : undefined;
      });
  }

  test("an installed Istio, with objects and what it has written into them", async () => {
    cluster = await ownKubeCluster({ suffix: "-beside" });
    istio = await standInForIstio(cluster);
    const shop = await namespace("shop", "istio-injection=enabled");
    await istio.giveRoot("shop");
    await shop.apply(route("theirs", ""));
    const status = { conditions: [{ type: "Reconciled", status: "True" }], observedGeneration: 1 };
    const patch = ["patch", "vs", "theirs", "--subresource=status", "--type=merge"];
    await shop.kubectl(
      ...patch,
      "--field-manager=pilot-discovery",
      "-p",
      JSON.stringify({ status }),
    );
    await shop.apply(route("without", ""));
    before = await clusterSnapshot(cluster);
  });

  test("where names are Istio's nothing is installed", async () => {
    const checked = await lateenOn(cluster, "x", "precheck");
    assert.match(checked.stdout, /istio-system\/istiod is a control plane of another installation/);
    const same = await lateenOn(cluster, "install", "--set", "profile=minimal", "-y");
    assert.equal(same.code, 1);
    assert.match(
      same.stderr,
      /another installation's \(Helm release istio-base, Helm release istiod/,
    );
    assert.match(same.stderr, /Deployment:istio-system:istiod\n/);
    const gateway = await lateenOn(cluster, "install", "--revision", "lateen", "-y");
    assert.equal(gateway.code, 1);
    assert.match(gateway.stderr, /Deployment:istio-system:istio-ingressgateway\n/);
    assert.match(gateway.stderr, /gateways of other names/);
    touched.add("refused installations", clusterChanges(before, await clusterSnapshot(cluster)));
  });

  test("a revision serves its namespaces and objects, and touches nothing of Istio's", async () => {
    const installed = await lateenOn(cluster, ...BESIDE);
    assert.equal(installed.code, 0, installed.stderr);
    assert.doesNotMatch(installed.stdout, /the default for injection/);
    await settled();
    touched.add(BESIDE.join(" "), clusterChanges(before, await clusterSnapshot(cluster)));

    const trial = await namespace("trial", "istio.io/rev=lateen");
    await istio.giveRoot("trial");
    const later = await clusterSnapshot(cluster);
    await trial.client();
    const proxy = "jsonpath={.spec.initContainers[*].name} {.metadata.annotations.istio\\.io/rev}";
    assert.match(await trial.kubectl("get", "pod", "client", "-o", proxy), /istio-proxy lateen$/);
    await trial.apply(route("ours", "istio.io/rev: lateen"));
    await trial.apply(route("shared", ""));
    await cluster.until("the revision's object has a status", async () =>
      (await conditions("trial", "ours")) === "" ? undefined : true,
    );
    assert.deepEqual(await podsBehind("istiod"), ["istiod"]);
    assert.deepEqual(await podsBehind("istiod-lateen"), ["istiod-lateen"]);
    // Istio's control plane does not come for it, and there is one: after a while it is made.
    await namespace("missed", "istio.io/rev=lateen");
    await cluster.must([
      "wait",
      "--for=create",
      "-n",
      "missed",
      "configmap/istio-ca-root-cert",
      PATIENCE,
    ]);
    touched.add("in use", clusterChanges(later, await clusterSnapshot(cluster)));
    assert.equal(await conditions("shop", "theirs"), "Reconciled");
    assert.equal(await conditions("shop", "without"), "");
  });

  test("the root is Istio's", async () => {
    const path = "/api/v1/namespaces/missed/configmaps/istio-ca-root-cert";
    const { body } = await cluster.api({ path });
    assert.equal(stringAt(objectAt(body, "data"), "root-cert.pem").trim(), istio.root.trim());
  });

  test("uninstalled, all of Istio is there as it was", async () => {
    for (const name of ["trial", "missed"])
      await cluster.must(["delete", "namespace", name], { timeoutMs: 120_000 });
    const removed = await lateenOn(cluster, "uninstall", "--revision", "lateen", "-y");
    assert.equal(removed.code, 0, removed.stderr);
    touched.add(
      "uninstall --revision lateen",
      clusterChanges(before, await clusterSnapshot(cluster)),
    );
    const purged = await lateenOn(cluster, "uninstall", "--purge", "-y");
    assert.equal(purged.code, 0, purged.stderr);
    assert.match(purged.stdout, /1 CRDs stay: another control plane is in the cluster/);
    touched.add("uninstall --purge", clusterChanges(before, await clusterSnapshot(cluster)));
  });

  test("where Istio's control plane goes, the revision takes over what there is one of", async () => {
    const installed = await lateenOn(cluster, ...BESIDE);
    assert.equal(installed.code, 0, installed.stderr);
    const tag = ["tag", "set", "default", "--revision", "lateen", "--overwrite", "-y"];
    const tagged = await lateenOn(cluster, ...tag);
    assert.equal(tagged.code, 0, tagged.stderr);
    await cluster.must(["delete", "deployment", "istiod", "-n", ISTIO_NAMESPACE]);
    await cluster.until("statuses are written", async () =>
      (await conditions("shop", "without")) === "" ? undefined : true,
    );
    assert.match(await conditions("shop", "theirs"), /Reconciled/);
    await namespace("new");
    await cluster.must([
      "wait",
      "--for=create",
      "-n",
      "new",
      "configmap/istio-ca-root-cert",
      PATIENCE,
    ]);
    const shop = new KubeNamespace(cluster, "shop");
    await shop.client();
    const revision = "jsonpath={.metadata.annotations.istio\\.io/rev}";
    assert.equal(await shop.kubectl("get", "pod", "client", "-o", revision), "lateen");
  });

  test("the golden: objects that were touched", () => touched.check());
});
