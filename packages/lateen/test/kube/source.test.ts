/** The source of a real API server: what is there is told, whatever happens to the server. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { customResourceDefinition } from "../../src/api/crd.ts";
import { endpointSliceKind } from "../../src/api/endpoint-slice/kind.ts";
import { envoyFilterKind } from "../../src/api/envoy-filter/kind.ts";
import type { JsonObject, Kind } from "../../src/api/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import { secretKind } from "../../src/api/secret/kind.ts";
import { serviceKind } from "../../src/api/service/kind.ts";
import { virtualServiceKind } from "../../src/api/virtual-service/kind.ts";
import { silentLog } from "../../src/base/log.ts";
import { systemClock } from "../../src/net/clock.ts";
import { ApiClient } from "../../src/sources/client/api-client.ts";
import { transportOptions } from "../../src/sources/client/credentials.ts";
import { httpTransport } from "../../src/sources/client/http-transport.ts";
import { loadKubeconfig } from "../../src/sources/client/kubeconfig.ts";
import { objectAt, stringAt } from "../../src/sources/json.ts";
import { KubeSource } from "../../src/sources/kube/kube-source.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";

const skip = needsKubernetes("control-plane");
const KINDS: readonly Kind[] = [
  serviceKind,
  podKind,
  endpointSliceKind,
  secretKind,
  virtualServiceKind,
];

function clientOf(cluster: KubeCluster): ApiClient {
  const read = (path: string): string => readFileSync(path, "utf8");
  const access = loadKubeconfig({ files: [cluster.kubeconfig] }, read);
  assert.ok(access.ok);
  const options = { clock: systemClock, environment: {} };
  return new ApiClient(httpTransport(transportOptions(access.value, options)));
}

/** What a source has told, as it stands. */
class Told {
  readonly objects = new Map<string, JsonObject>();
  readonly #source: KubeSource;
  readonly #synced: Promise<void>;

  constructor(t: TestContext, cluster: KubeCluster) {
    this.#source = new KubeSource({
      name: "test",
      client: clientOf(cluster),
      kinds: KINDS,
      meshConfig: { namespace: "istio-system", name: "istio" },
      clock: systemClock,
      random: Math.random,
      log: silentLog,
    });
    t.after(() => this.#source.stop());
    this.#synced = new Promise(done =>
      this.#source.start({
        onChanges: changes => {
          for (const { kind, namespace, name, object } of changes) {
            const key = `${kind.kind} ${namespace}/${name}`;
            if (object === undefined) this.objects.delete(key);
            else this.objects.set(key, object);
          }
        },
        onProblems: () => {},
        onSynced: done,
      }),
    );
  }

  synced(): Promise<void> {
    return this.#synced;
  }

  keys(kind: string, namespace: string): string[] {
    const prefix = `${kind} ${namespace}/`;
    return [...this.objects.keys()].filter(key => key.startsWith(prefix)).sort();
  }

  unread(): ReadonlyMap<string, number> {
    return this.#source.unread();
  }
}

function service(name: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { ports: [{ port: 80 }] },
  });
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

test("a cluster as a source", { skip, timeout: 600_000 }, async t => {
  const cluster = await ownKubeCluster({ mode: "control-plane" });
  const told = new Told(t, cluster);
  await told.synced();

  await t.test("what is there is told, decoded by our schemas", () => {
    const kubernetes = told.objects.get("Service default/kubernetes");
    assert.ok(kubernetes !== undefined);
    const decoded = serviceKind.decode(kubernetes);
    assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
    assert.equal(objectAt(kubernetes, "metadata")["managedFields"], undefined);
  });

  await t.test("a restart of the API server loses nothing", async t => {
    const namespace = await cluster.namespace(t);
    for (const name of ["kept", "gone"]) await namespace.apply(service(name));
    const expect = (...names: readonly string[]) =>
      cluster.until(`services ${names.join(", ")}`, async () => {
        const keys = told.keys("Service", namespace.name);
        const wanted = names.map(name => `Service ${namespace.name}/${name}`).sort();
        return isEqual(keys, wanted) ? true : undefined;
      });
    await expect("kept", "gone");
    await cluster.stop("kube-apiserver");
    await cluster.start("kube-apiserver");
    // Before any watch can be back.
    await Promise.all([
      namespace.kubectl("delete", "service", "gone", "--wait=false"),
      namespace.apply(service("after")),
    ]);
    await namespace.apply(service("gone"));
    await expect("kept", "gone", "after");
    const listed = await namespace.kubectl("get", "services", "-o", "json");
    const uids = (JSON.parse(listed) as { items: { metadata: { uid: string } }[] }).items.map(
      each => each.metadata.uid,
    );
    // One of them has the name of what went.
    await cluster.until("those that are there are told", async () => {
      const seen = told
        .keys("Service", namespace.name)
        .map(key => stringAt(objectAt(told.objects.get(key) ?? {}, "metadata"), "uid"));
      assert.deepEqual(seen.sort(), uids.sort());
      return true;
    });
  });

  await t.test("a kind whose CRD comes later is read, and one without a use counted", async t => {
    const namespace = await cluster.namespace(t);
    const kinds = [virtualServiceKind, envoyFilterKind];
    for (const kind of kinds) await cluster.apply(JSON.stringify(customResourceDefinition(kind)));
    await cluster.must(["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]);
    await namespace.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: late}
spec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: unread}
spec: {}
`);
    const key = `VirtualService ${namespace.name}/late`;
    await cluster.until("the VirtualService is told", async () =>
      told.objects.has(key) ? true : undefined,
    );
    await cluster.until("the EnvoyFilter is counted", async () =>
      told.unread().get("envoyfilters.networking.istio.io") === 1 ? true : undefined,
    );
    await cluster.must(["delete", "crd", "virtualservices.networking.istio.io"]);
    await cluster.until("the VirtualService is gone", async () =>
      told.objects.has(key) ? undefined : true,
    );
  });

  await t.test("of Secrets only those that could hold a certificate", async t => {
    const namespace = await cluster.namespace(t);
    const secret = (name: string, type: string, data: object): string =>
      JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name }, type, data });
    const value = Buffer.from("{}").toString("base64");
    await namespace.apply(
      secret("pull", "kubernetes.io/dockerconfigjson", { ".dockerconfigjson": value }),
    );
    await namespace.apply(secret("password", "Opaque", { password: value }));
    await namespace.apply(
      secret("tls", "kubernetes.io/tls", { "tls.crt": value, "tls.key": value }),
    );
    await cluster.until("the certificate is told", async () =>
      told.objects.has(`Secret ${namespace.name}/tls`) ? true : undefined,
    );
    assert.equal(told.objects.has(`Secret ${namespace.name}/pull`), false);
    assert.deepEqual(told.objects.get(`Secret ${namespace.name}/password`)?.["data"], {});
  });

  await t.test("namespaces come into view by their labels", async t => {
    const [seen, other] = [await cluster.namespace(t, { mesh: "yes" }), await cluster.namespace(t)];
    await cluster.must(["create", "namespace", "istio-system"]);
    for (const each of [seen, other]) await each.apply(service("web"));
    const mesh = "discoverySelectors: [{matchLabels: {mesh: 'yes'}}]";
    await cluster.must([
      "-n",
      "istio-system",
      "create",
      "configmap",
      "istio",
      `--from-literal=mesh=${mesh}`,
    ]);
    const inView = (name: string) => told.keys("Service", name).length > 0;
    await cluster.until("the other namespace is out of view", async () =>
      inView(seen.name) && !inView(other.name) ? true : undefined,
    );
    assert.equal(told.keys("Service", "default").length, 0);
    await cluster.must(["label", "namespace", other.name, "mesh=yes"]);
    await cluster.until("it is in view", async () => (inView(other.name) ? true : undefined));
    await cluster.must(["-n", "istio-system", "delete", "configmap", "istio"]);
    await cluster.until("all are", async () => (inView("default") ? true : undefined));
  });
});
