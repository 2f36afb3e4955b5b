/**
 * A canary control plane beside an older one: under load over keep-alive and new connections, with
 * default retries and with none, namespaces go to it one by one and come back. No request fails, sidecars of both speak mutual TLS with one
 * another, and what both control planes could write is written by one.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { tagCommand } from "../../src/bin/tag-command.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";
import {
  answeredAcrossSigterm,
  assertNothingLost,
  type KubeLoad,
  type LoadTarget,
  prepareLoad,
  startKubeLoad,
} from "../support/kube-load.ts";
import { KubeNamespace } from "../support/kube-namespace.ts";
import { lateenOn } from "../support/lateen-command.ts";
import { runCommand } from "../support/run-command.ts";

const skip = needsKubernetes();
const SYSTEM = ["-n", "istio-system"];
const PLACES = ["shop", "users"] as const;
type Place = (typeof PLACES)[number];
/** For a machine that does other things, too; on an idle one nothing takes so long. */
const PATIENCE_MS = 180_000;

/** Its status says that the host is not known: written once, by whoever leads. */
const LOST_ROUTE = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: lost, namespace: shop}
spec: {hosts: [lost], http: [{route: [{destination: {host: nowhere}}]}]}
`;

describe("a canary control plane", { skip, timeout: 900_000 }, () => {
  let cluster: KubeCluster;
  let namespaces: Readonly<Record<Place, KubeNamespace>>;
  let targets: Readonly<Record<Place, readonly LoadTarget[]>>;
  let leader = "";

  /** What `lateen` printed; fails the test where it fails. */
  const lateen = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await lateenOn(cluster, ...words);
    assert.equal(code, 0, `lateen ${words.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  };

  const tag = async (...words: readonly string[]): Promise<string> => {
    const all = [...words, "--kubeconfig", cluster.kubeconfig];
    const { code, stdout, stderr } = await runCommand(tagCommand, all);
    assert.equal(code, 0, `lateen tag ${words.join(" ")}: ${stderr}`);
    return stdout;
  };

  const install = (revision: string): Promise<string> => {
    const set = ["profile=minimal", "meshConfig.accessLogFile=/dev/stdout"];
    return lateen("install", ...set.flatMap(each => ["--set", each]), "--revision", revision, "-y");
  };

  /** Pods start anew, and have the sidecar of the revision that the namespace's label leads to. */
  const restart = async (place: Place, revision: string): Promise<void> => {
    const namespace = namespaces[place];
    const [deploy, timeout] = ["deploy/web", `--timeout=${PATIENCE_MS}ms`];
    await namespace.kubectl("rollout", "restart", deploy);
    await cluster.must(["-n", place, "rollout", "status", deploy, timeout], {
      timeoutMs: PATIENCE_MS,
    });
    await namespace.readyPods("app=web", 2, PATIENCE_MS);
    const path = "jsonpath={.items[*].metadata.annotations.istio\\.io/rev}";
    const found = await namespace.until(`web of ${place} is restarted`, async () => {
      const text = await namespace.kubectl("get", "pods", "-l", "app=web", "-o", path);
      return text.split(" ").length === 2 ? text : undefined;
    });
    assert.equal(found, `${revision} ${revision}`);
  };

  const label = (place: Place, tag: string): Promise<string> =>
    cluster.must(["label", "namespace", place, `istio.io/rev=${tag}`, "--overwrite"]);

  /** From each namespace to the other, while `work` goes on. */
  const underLoad = async (round: string, work: () => Promise<void>): Promise<void> => {
    const other = { shop: "users", users: "shop" } as const;
    const loads = new Map<Place, KubeLoad>();
    await Promise.all(
      PLACES.map(async place => {
        const load = await startKubeLoad(namespaces[place], round, targets[other[place]]);
        loads.set(place, load);
      }),
    );
    await work();
    let across = 0;
    for (const place of PLACES) {
      const reports = (await loads.get(place)?.end()) ?? [];
      await assertNothingLost(namespaces[place], round, targets[other[place]], reports);
      await namespaces[place].kubectl("delete", "pod", round);
      across += answeredAcrossSigterm(reports);
    }
    assert.ok(across > 0, "requests were under way when pods got SIGTERM");
  };

  /** Who gives which proxy its configuration: `NAMESPACE: istiod-REVISION`. */
  const served = async (...flags: readonly string[]): Promise<readonly string[]> => {
    const [header = "", ...rows] = (await lateen("ps", ...flags)).trimEnd().split("\n");
    assert.match(header, /^NAME +CLUSTER +ISTIOD +VERSION +SUBSCRIBED TYPES$/);
    const found = rows.map(row => {
      const [name = "", , istiod = ""] = row.split(/\s{2,}/);
      return name.startsWith("web-")
        ? `${name.split(".")[1]}: ${istiod.replace(/-[a-z0-9]+-[a-z0-9]{5}$/, "")}`
        : "";
    });
    return [...new Set(found)].filter(each => each !== "").sort();
  };

  /** A stream of a pod that is gone may be there for a moment. */
  const servedAs = (wanted: readonly string[], ...flags: readonly string[]): Promise<boolean> =>
    cluster.until(`ps says ${wanted.join(", ")}`, async () => {
      assert.deepEqual(await served(...flags), wanted);
      return true;
    });

  /** What the sidecars of a namespace have answered: over mutual TLS, and nothing else. */
  const onlyMutualTls = async (place: Place): Promise<void> => {
    const namespace = namespaces[place];
    for (const { name } of await namespace.readyPods("app=web", 2)) {
      const policies = await namespace.until(`${name} is asked something`, async () => {
        const ask = ["curl", "-s", "127.0.0.1:15020/stats/prometheus"];
        const text = await namespace.kubectl("exec", name, "-c", "istio-proxy", "--", ...ask);
        const found = text.matchAll(
          /^istio_requests_total\{reporter="destination".*connection_security_policy="(\w+)"/gm,
        );
        const each = new Set([...found].map(([, policy]) => policy));
        return each.size > 0 ? [...each] : undefined;
      });
      assert.deepEqual(policies, ["mutual_tls"]);
    }
  };

  /** Versions of what both control planes see and one writes. */
  const written = async (): Promise<string> => {
    const texts: string[] = [];
    for (const place of PLACES)
      texts.push(await versionOf(["-n", place, "configmap", "istio-ca-root-cert"]));
    texts.push(await versionOf(["-n", "shop", "virtualservice", "lost"]));
    return texts.join(" ");
  };
  const versionOf = (what: readonly string[]): Promise<string> =>
    cluster.must(["get", ...what, "-o", "jsonpath={.metadata.resourceVersion}"]);

  const holder = (): Promise<string> =>
    cluster.must([
      ...["get", "lease", "lateen-leader", ...SYSTEM, "-o", "jsonpath={.spec.holderIdentity}"],
    ]);

  test("an older revision, whose name is a tag, serves two namespaces", async () => {
    cluster = await ownKubeCluster();
    assert.match(await install("old"), /Making this installation the default/);
    await tag("set", "prod", "--revision", "old");
    for (const place of PLACES) {
      await cluster.must(["create", "namespace", place]);
      await label(place, "prod");
    }
    namespaces = {
      shop: new KubeNamespace(cluster, "shop"),
      users: new KubeNamespace(cluster, "users"),
    };
    const found: Record<Place, LoadTarget[]> = { shop: [], users: [] };
    for (const place of PLACES) {
      const namespace = namespaces[place];
      await prepareLoad(namespace);
      await namespace.apply(WEB);
      await namespace.readyPods("app=web", 2, PATIENCE_MS);
      const path = "jsonpath={.spec.clusterIP}";
      for (const service of ["web", "web-once"]) {
        const address = await namespace.kubectl("get", "svc", service, "-o", path);
        found[place].push({ url: `http://${address}:8080/`, longMs: 2000 });
      }
    }
    targets = found;
    await cluster.apply(LOST_ROUTE);
    leader = await cluster.until("the old one leads", async () => (await holder()) || undefined);
    assert.match(leader, /^istiod-old-/);
    await cluster.until("the status is written", async () => {
      const path = "jsonpath={.status.conditions}";
      return (await namespaces.shop.kubectl("get", "vs", "lost", "-o", path)) || undefined;
    });
  });

  test("the canary comes beside it, and one namespace goes to it", async () => {
    const before = await written();
    await underLoad("first", async () => {
      assert.doesNotMatch(await install("new"), /Making this installation the default/);
      await tag("set", "test", "--revision", "new");
      await label("shop", "test");
      await restart("shop", "new");
      await servedAs(["shop: istiod-new", "users: istiod-old"]);
      await servedAs(["users: istiod-old"], "--revision", "old");
      for (const place of PLACES)
        await cluster.until(`ps of one proxy of ${place}`, async () => {
          assert.match(await lateen("ps", "deploy/web", "-n", place), /^Clusters Match\n/);
          return true;
        });
      for (const place of PLACES) await onlyMutualTls(place);
    });
    assert.equal(
      await tag("list"),
      "TAG     REVISION NAMESPACES\ntest    new      shop\ndefault old      \nprod    old      users\n",
    );
    const injectors = await lateen("x", "injector", "list");
    assert.match(injectors, /^shop +new +new: \d$/m);
    assert.match(injectors, /^users +old +old: \d$/m);
    assert.match(injectors, /^shop +istio-revision-tag-test +new +\S+proxyv2:\S+$/m);
    assert.match(injectors, /^users +istio-revision-tag-prod +old +\S+proxyv2:\S+$/m);
    assert.deepEqual([await written(), await holder()], [before, leader]);
  });

  test("a tag that is set anew takes its namespaces along, there and back", async () => {
    const before = await written();
    await underLoad("second", async () => {
      await tag("set", "prod", "--revision", "new", "--overwrite");
      assert.match(
        await lateen("x", "injector", "list"),
        /^users +new +old: \d NEEDS RESTART: \d/m,
      );
      await restart("users", "new");
      await servedAs(["shop: istiod-new", "users: istiod-new"]);
      await tag("set", "prod", "--revision", "old", "--overwrite");
      await label("shop", "prod");
      await Promise.all(PLACES.map(place => restart(place, "old")));
      await servedAs(["shop: istiod-old", "users: istiod-old"]);
    });
    assert.deepEqual([await written(), await holder()], [before, leader]);
  });

  test("the older one goes when no tag leads to it, and leaves the other's", async () => {
    const refused = await lateenOn(cluster, "uninstall", "--revision", "old", "-y");
    assert.match(refused.stderr, /^revision tags still lead to revision old: prod\n/);
    for (const each of ["prod", "default"])
      await tag("set", each, "--revision", "new", "--overwrite");
    const gone = await lateen("uninstall", "--revision", "old", "-y");
    assert.match(gone, /^There are still 4 proxies pointing to the control plane revision old\n/);
    assert.match(gone, /✔ Uninstall complete/);
    const { body } = await cluster.api({ path: "/apis/apps/v1/deployments" });
    const names = arrayAt(body, "items")
      .filter(isObject)
      .map(each => objectAt(each, "metadata"))
      .filter(metadata => metadata["namespace"] === "istio-system");
    assert.deepEqual(
      names.map(metadata => stringAt(metadata, "name")),
      ["istiod-new"],
    );
    assert.match(await lateen("verify-install", "--revision", "new"), /verified successfully/);
    await cluster.until("the canary leads", async () =>
      (await holder()).startsWith("istiod-new-") ? true : undefined,
    );
    await restart("users", "new");
    await lateen("uninstall", "--purge", "-y");
    const kinds = "mutatingwebhookconfiguration,validatingwebhookconfiguration";
    assert.equal(await cluster.must(["get", kinds, "-o", "name"]), "");
  });
});

/** It goes on for 3 s after SIGTERM by itself: docs/applications.md. */
const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: ikubernetes/demoapp:v1.0
        ports: [{containerPort: 80}]
        readinessProbe:
          {httpGet: {path: /readyz, port: 80}, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 30}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 8080, targetPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web-once}
spec:
  selector: {app: web}
  ports: [{name: http, port: 8080, targetPort: 80}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-once}
spec:
  hosts: [web-once]
  http:
  - route: [{destination: {host: web-once}}]
    retries: {attempts: 0}
`;
