/**
 * Under load, over keep-alive and new connections, with default retries and with none, from and to
 * sidecars of both forms: applications are rolled and scaled down, ports of Services get other names, the
 * control plane is rolled and killed, the API server and etcd come again. No request fails, of those that
 * are under way when a pod ends, too, and nothing is pushed that a proxy has. The applications are the two
 * that docs/applications.md knows: one closes its port at SIGTERM and has a preStop, one goes on by itself.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
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
import type { LoadReport } from "../support/load.ts";

const skip = needsKubernetes();
const SYSTEM = ["-n", "istio-system"];
/** Where its proxy looks for the control plane there is none. */
const NOWHERE = [{ ip: "127.0.0.1", hostnames: ["istiod.istio-system.svc"] }];
/** It is injected, and starts later. */
const GATED = { schedulingGates: [{ name: "lateen.test/later" }] };
/** For a machine that does other things, too; on an idle one nothing takes so long. */
const PATIENCE_MS = 180_000;
/** Somewhat more than what the control plane takes for a moment. */
const SAID_AFTER_MS = 12_000;
const LEASE = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases/lateen-leader";
const CLASSIC = { "sidecar.istio.io/nativeSidecar": "false" };
const FORMS = ["native", "classic"] as const;
/** In the older form Envoy ends 5 s after its pod begins to (terminationDrainDuration), whatever goes on. */
const LONG_MS = { native: 6000, classic: 2000 };
/** Requests to a Service that were under way when its pods got SIGTERM: about 2 for each of five pods. */
const LEAST_ACROSS = 3;
const SERVICES = FORMS.flatMap(form => [form, `${form}-once`]);

describe("nothing is lost", { skip, timeout: 900_000 }, () => {
  let cluster: KubeCluster;
  let namespace: KubeNamespace;
  /** By address: whether the cluster's DNS loses nothing is not the matter. */
  let targets: readonly LoadTarget[] = [];

  const started = async (round: string): Promise<readonly KubeLoad[]> =>
    Promise.all(
      FORMS.map(form =>
        startKubeLoad(namespace, `${round}-${form}`, targets, form === "classic" ? CLASSIC : {}),
      ),
    );

  /** One report for each source and each of SERVICES. */
  const nothingLost = async (
    round: string,
    loads: readonly KubeLoad[],
  ): Promise<readonly LoadReport[][]> => {
    const all: LoadReport[][] = [];
    for (const [i, form] of FORMS.entries()) {
      const reports = (await loads[i]?.end()) ?? [];
      await assertNothingLost(namespace, `${round}-${form}`, targets, reports);
      await namespace.kubectl("delete", "pod", `${round}-${form}`);
      all.push([...reports]);
    }
    return all;
  };

  const controlPlanes = async (count: number): Promise<readonly string[]> => {
    const system = new KubeNamespace(cluster, "istio-system");
    const pods = await system.readyPods("app=istiod", count, PATIENCE_MS);
    return pods.map(pod => pod.name);
  };

  /** What Prometheus would read of both replicas: labels and value of a metric that is not 0. */
  const metric = async (name: string): Promise<readonly (readonly [string, number])[]> => {
    const each = (await controlPlanes(2)).map(async replica => {
      const path = `/api/v1/namespaces/istio-system/pods/${replica}:15014/proxy/metrics`;
      const { text, status } = await cluster.api({ path });
      assert.equal(status, 200, text);
      const lines = text.matchAll(new RegExp(`^${name}({.*})? (\\d+)$`, "gm"));
      return [...lines].map(([, labels = "", value]) => [labels, Number(value)] as const);
    });
    return (await Promise.all(each)).flat().filter(([, value]) => value !== 0);
  };

  const connected = async (): Promise<number> =>
    (await metric("pilot_xds")).reduce((sum, [, value]) => sum + value, 0);

  /** Also their endpoints have settled then: nothing of a round before comes into the next. */
  const noneLeaves = (): Promise<boolean> =>
    cluster.until("pods that were scaled away are gone", async () => {
      const path = "jsonpath={.items[*].metadata.deletionTimestamp}";
      const pods = await namespace.kubectl("get", "pods", "-o", path);
      const slices = await namespace.kubectl("get", "endpointslices", "-o", "json");
      return pods === "" && !slices.includes('"terminating": true') ? true : undefined;
    });

  const proxies = async (): Promise<readonly string[]> => {
    const names = await namespace.kubectl("get", "pods", "-o", "name");
    return names.trimEnd().split("\n");
  };

  const allConnected = async (): Promise<void> => {
    await cluster.until("all proxies are connected", async () => {
      const [found, count] = [await connected(), (await proxies()).length];
      if (found !== count) throw new Error(`${found} of ${count} are`);
      return true;
    });
  };

  /** How often each Envoy was given clusters, listeners, routes, endpoints and secrets. */
  const updates = async (): Promise<Readonly<Record<string, readonly string[]>>> => {
    const filter = "(cds|lds|rds.*|eds|sds.*)\\.update_success$";
    const url = `127.0.0.1:15000/stats?filter=${filter}`;
    const found: Record<string, readonly string[]> = {};
    for (const pod of await proxies()) {
      const command = ["exec", pod, "-c", "istio-proxy", "--", "curl", "-sg", url];
      const lines = (await namespace.kubectl(...command)).trimEnd().split("\n");
      found[pod] = lines.filter(line => !line.includes("xds-grpc")).sort();
    }
    return found;
  };

  /** Endpoints by Service, of the namespace's ports 8080, in a pod's Envoy. */
  const clustersOf = async (pod: string): Promise<ReadonlyMap<string, readonly string[]>> => {
    const ask = ["curl", "-s", "127.0.0.1:15000/clusters?format=json"];
    const text = await namespace.kubectl("exec", pod, "-c", "istio-proxy", "--", ...ask);
    const found = new Map<string, readonly string[]>();
    for (const each of arrayAt(JSON.parse(text), "cluster_statuses").filter(isObject)) {
      const [, service] = /^outbound\|8080\|\|(.*)\.load\.svc\./.exec(stringAt(each, "name")) ?? [];
      if (service === undefined) continue;
      const hosts = arrayAt(each, "host_statuses").filter(isObject);
      const at = hosts.map(host => objectAt(objectAt(host, "address"), "socket_address"));
      const addresses = at.map(socket => `${stringAt(socket, "address")}:${socket["port_value"]}`);
      found.set(service, addresses.sort());
    }
    return found;
  };

  const rolledOut = (where: string, name: string): Promise<string> => {
    const status = ["rollout", "status", `deploy/${name}`, `--timeout=${PATIENCE_MS}ms`];
    return cluster.must(["-n", where, ...status], { timeoutMs: PATIENCE_MS });
  };

  test("two replicas are installed", async () => {
    cluster = await ownKubeCluster();
    const set = ["profile=minimal", "components.pilot.k8s.replicaCount=2"];
    set.push("meshConfig.accessLogFile=/dev/stdout");
    // During rollouts there is twice of everything, on one small node.
    for (const who of ["pilot", "global.proxy"])
      set.push(`values.${who}.resources.requests.cpu=10m`);
    const flags = set.flatMap(each => ["--set", each]);
    const installed = await lateenOn(cluster, "install", ...flags, "-y");
    assert.equal(installed.code, 0, installed.stderr);
    await controlPlanes(2);
    const budget = await cluster.must(["get", "pdb", ...SYSTEM, "-o", "name"]);
    assert.match(budget, /istiod/);
    await cluster.must(["create", "namespace", "load"]);
    await cluster.must(["label", "namespace", "load", "istio-injection=enabled"]);
    namespace = new KubeNamespace(cluster, "load");
    await prepareLoad(namespace);
    for (const form of FORMS) await namespace.apply(server(form));
    await namespace.apply(ONCE);
    targets = await Promise.all(
      SERVICES.map(async name => {
        const path = "jsonpath={.spec.clusterIP}";
        const address = await namespace.kubectl("get", "service", name, "-o", path);
        const longMs = LONG_MS[name.startsWith("native") ? "native" : "classic"];
        return { url: `http://${address}:8080/`, longMs };
      }),
    );
    for (const form of FORMS) await namespace.readyPods(`app=${form}`, 3, PATIENCE_MS);
  });

  test("a rollout and a scale-down of the applications", async t => {
    const loads = await started("apps");
    for (const form of FORMS) await namespace.kubectl("rollout", "restart", `deploy/${form}`);
    for (const form of FORMS) await rolledOut("load", form);
    for (const form of FORMS) await namespace.kubectl("scale", `deploy/${form}`, "--replicas=1");
    for (const form of FORMS) await namespace.readyPods(`app=${form}`, 1);
    // What was under way then is answered before the load ends.
    await noneLeaves();
    const reports = await nothingLost("apps", loads);
    for (const [i, service] of SERVICES.entries()) {
      const across = answeredAcrossSigterm(reports.flatMap(each => each.slice(i, i + 1)));
      t.diagnostic(`${service}: ${across} answered of those under way at SIGTERM`);
      assert.ok(across >= LEAST_ACROSS, `${service}: ${across} were under way when pods ended`);
    }
  });

  test("ports of Services get other names, and their slices follow much later", async () => {
    const loads = await started("names");
    await allConnected();
    const addresses = await Promise.all(FORMS.map(form => namespace.readyPods(`app=${form}`, 1)));
    const [native = "", classic = ""] = addresses.flat().map(pod => `${pod.address}:80`);
    const known = SERVICES.map(name => (name.startsWith("native") ? native : classic));
    for (const name of ["http-web", "http"]) {
      // Nobody changes slices then.
      await cluster.stop("kube-controller-manager");
      const patch = JSON.stringify({ spec: { ports: [{ name, port: 8080, targetPort: 80 }] } });
      for (const service of SERVICES) await namespace.kubectl("patch", "svc", service, "-p", patch);
      // It comes after them in the same watch: who has it has seen them.
      const later = `after-${name}`;
      await namespace.kubectl("create", "service", "clusterip", later, "--tcp=8080:80");
      for (const form of FORMS) {
        await cluster.until(`names-${form} is told of what came later`, async () =>
          (await clustersOf(`names-${form}`)).has(later) ? true : undefined,
        );
        const found = await clustersOf(`names-${form}`);
        for (const [i, service] of SERVICES.entries())
          assert.deepEqual(found.get(service), [known[i]], `${service} as names-${form} has it`);
      }
      await cluster.start("kube-controller-manager");
      await cluster.until(`the slices call it ${name}`, async () => {
        const path = "jsonpath={.items[*].ports[*].name}";
        const names = await namespace.kubectl("get", "endpointslices", "-o", path);
        const wrong = names.split(" ").filter(each => each !== name && each !== "8080-80");
        return wrong.length === 0 ? true : undefined;
      });
    }
    await nothingLost("names", loads);
  });

  test("the control plane is rolled, and killed; API server and etcd end and come again", async () => {
    const loads = await started("control");
    // One of each Deployment, and the loads: what was scaled down is gone to the last.
    await cluster.until("pods of the round before are gone", async () => {
      const { length } = await proxies();
      if (length !== 2 * FORMS.length) throw new Error(`there are ${length} pods`);
      return true;
    });
    await allConnected();
    const before = await updates();
    await cluster.must([...SYSTEM, "rollout", "restart", "deploy/istiod"]);
    await rolledOut("istio-system", "istiod");
    await allConnected();
    assert.deepEqual(await metric("pilot_xds_pushes"), [], "new replicas have nothing new to tell");
    await cluster.must([
      ...SYSTEM,
      "delete",
      "pod",
      "-l",
      "app=istiod",
      "--grace-period=0",
      "--force",
    ]);
    await allConnected();
    await cluster.stop("kube-apiserver");
    await cluster.stop("etcd");
    await cluster.start("etcd", "kube-apiserver");
    await allConnected();
    assert.deepEqual(await updates(), before, "no Envoy was given anything");
    const replicas = await controlPlanes(2);
    await cluster.until("one of those that are there leads", async () => {
      const { body } = await cluster.api({ path: LEASE });
      const holder = stringAt(objectAt(body, "spec"), "holderIdentity");
      return replicas.includes(holder) ? true : undefined;
    });
    await nothingLost("control", loads);
  });

  test("a pod that starts without a control plane is not ready until there is one, and says why", async () => {
    await namespace.apply(alone("lost", {}, { hostAliases: NOWHERE }));
    for (const form of FORMS)
      await namespace.apply(alone(`late-${form}`, form === "classic" ? CLASSIC : {}, GATED));
    const loads = await started("gap");
    await cluster.must([...SYSTEM, "scale", "deploy/istiod", "--replicas=0"]);
    await cluster.must([
      ...SYSTEM,
      "wait",
      "pod",
      "-l",
      "app=istiod",
      "--for=delete",
      "--timeout=120s",
    ]);
    const open = JSON.stringify([{ op: "remove", path: "/spec/schedulingGates" }]);
    for (const form of FORMS)
      await namespace.kubectl("patch", "pod", `late-${form}`, "--type=json", "-p", open);
    for (const form of FORMS) await waits(`late-${form}`, form);
    await cluster.must([...SYSTEM, "scale", "deploy/istiod", "--replicas=2"]);
    for (const form of FORMS) await namespace.readyPods(`app=late-${form}`, 1);
    for (const form of FORMS)
      await said(`late-${form}`, /it is not connected to the control plane/);
    await said("lost", /it is not connected to the control plane/);
    const { stdout } = await lateenOn(cluster, "ps");
    assert.match(
      stdout,
      /^lost\.load .* 0 \(not connected to the control plane; the pod is Pending\)$/m,
    );
    for (const form of FORMS)
      assert.match(stdout, new RegExp(`^late-${form}\\.load .* \\d \\(CDS,LDS`, "m"));
    await nothingLost("gap", loads);
  });

  /**
   * Its proxy runs, has done so for as long as is worth a word, and is not ready. Its application waits
   * for that where sidecars are native; in the older form nothing can make it.
   */
  const waits = (pod: string, form: (typeof FORMS)[number]): Promise<boolean> =>
    cluster.until(`${pod} waits`, async () => {
      const { body } = await cluster.api({ path: `/api/v1/namespaces/load/pods/${pod}` });
      const status = objectAt(body, "status");
      const all = ["containerStatuses", "initContainerStatuses"].flatMap(key =>
        arrayAt(status, key),
      );
      const proxy = all.filter(isObject).find(each => each["name"] === "istio-proxy") ?? {};
      assert.notEqual(proxy["ready"], true, "it is ready without a control plane");
      const application = all.filter(isObject).find(each => each["name"] === pod) ?? {};
      const begun = objectAt(application, "state")["waiting"] === undefined;
      if (form === "native") assert.equal(begun, false, "its application has been started");
      const since = stringAt(objectAt(objectAt(proxy, "state"), "running"), "startedAt");
      return Date.now() - Date.parse(since) > SAID_AFTER_MS ? true : undefined;
    });

  const said = (pod: string, what: RegExp): Promise<string> =>
    cluster.until(`an Event says why ${pod} is not ready`, async () => {
      const which = `involvedObject.name=${pod},reason=WaitingForConfiguration`;
      const path = "jsonpath={.items[*].message}";
      const found = await namespace.kubectl("get", "events", "--field-selector", which, "-o", path);
      return what.test(found) ? found : undefined;
    });
});

const CLOSES_AT_SIGTERM = {
  env: [{ name: "LINGER_MS", value: "0" }],
  lifecycle: { preStop: { sleep: { seconds: 3 } } },
};

function server(name: string): string {
  const annotations = name === "classic" ? CLASSIC : {};
  const services = [name, `${name}-once`].map(service => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: service },
    spec: { selector: { app: name }, ports: [{ name: "http", port: 8080, targetPort: 80 }] },
  }));
  const container = {
    name: "demoapp",
    image: "ikubernetes/demoapp:v1.0",
    ports: [{ containerPort: 80 }],
    // docs/applications.md: callers learn that the pod goes at the moment when SIGTERM would come.
    ...(name === "native" ? CLOSES_AT_SIGTERM : {}),
    // A busy machine is no reason to take a pod out.
    readinessProbe: {
      ...{ httpGet: { path: "/readyz", port: 80 }, periodSeconds: 1 },
      ...{ timeoutSeconds: 10, failureThreshold: 30 },
    },
  };
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name }, annotations },
        spec: { containers: [container] },
      },
    },
  };
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: [deployment, ...services] });
}

function alone(name: string, annotations: Readonly<Record<string, string>>, spec: object): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name }, annotations },
    spec: {
      ...spec,
      terminationGracePeriodSeconds: 0,
      containers: [{ name, image: "ikubernetes/demoapp:v1.0" }],
    },
  });
}

const ONCE = FORMS.map(
  form => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${form}-once}
spec:
  hosts: [${form}-once]
  http:
  - route: [{destination: {host: ${form}-once}}]
    retries: {attempts: 0}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  egress: [{hosts: ["./*"]}]
`,
).join("---\n");
