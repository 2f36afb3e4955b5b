/** A control plane of this process for a test cluster: a revision and a namespace of its own. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { BRIDGE_ADDRESS } from "../../../../scripts/kube/plan.ts";
import { silentLog } from "../../src/base/log.ts";
import { type RunningDiscovery, startDiscovery } from "../../src/bin/discovery.ts";
import type { DiscoveryOptions } from "../../src/bin/discovery-options.ts";
import { openCluster } from "../../src/bin/open-cluster.ts";
import { mutatingWebhookConfiguration } from "../../src/inject/webhook-objects.ts";
import { systemClock } from "../../src/net/clock.ts";
import { arrayAt, isObject, objectAt } from "../../src/sources/json.ts";
import type { KubeCluster } from "./kube-cluster.ts";
import type { KubeNamespace } from "./kube-namespace.ts";

export interface KubeControlPlane {
  readonly revision: string;
  /** Where its Service and its ConfigMaps are. */
  readonly namespace: string;
  readonly running: RunningDiscovery;
  /** Ends it and starts another one on the same ports: proxies connect anew. Replicas one after another. */
  restart(): Promise<void>;
  /** A namespace whose pods it injects. */
  readonly workloads: KubeNamespace;
}

export interface ControlPlaneOptions {
  /** Of ConfigMap istio-sidecar-injector. */
  readonly values?: object;
  readonly config?: string;
  /** YAML of MeshConfig. */
  readonly mesh?: string;
  /** Data of Secret `cacerts`, which is there before it starts. */
  readonly cacerts?: object;
  readonly discovery?: Pick<DiscoveryOptions, "rootSpreadMs" | "streamAgeMaxMs">;
  /** Of one control plane, behind one Service; 1 by default. */
  readonly replicas?: number;
}

interface Ports {
  tls: number;
  webhooks: number;
}

let count = 0;

/**
 * Started, its webhook working; both are gone after the test. It sees only namespaces with its
 * labels: the cluster may be shared, and each control plane has a root of its own.
 */
export async function kubeControlPlane(
  t: TestContext,
  cluster: KubeCluster,
  options: ControlPlaneOptions = {},
): Promise<KubeControlPlane> {
  const revision = `r${process.pid}-${++count}`;
  const labels = { "lateen-test": revision, "istio.io/rev": revision };
  const { name: namespace } = await cluster.namespace(t, { "lateen-test": revision });
  const workloads = await cluster.namespace(t, labels);
  await cluster.apply(configMaps(namespace, revision, options));
  if (options.cacerts !== undefined) await cluster.apply(cacertsSecret(namespace, options.cacerts));
  const start = (nth: number, ports: Ports) =>
    startDiscovery({
      ...discoveryOptions(cluster, namespace, revision, ports, options),
      instance: nth === 0 ? `istiod-${revision}` : `istiod-${revision}-${nth}`,
    });
  const replicas: RunningDiscovery[] = [];
  t.after(() => Promise.all(replicas.map(each => each.stop())));
  for (let nth = 0; nth < (options.replicas ?? 1); nth++)
    replicas.push(await start(nth, { tls: 0, webhooks: 0 }));
  const [first] = replicas;
  assert.ok(first !== undefined);
  await cluster.apply(service(namespace, revision, replicas));
  const webhook = mutatingWebhookConfiguration({
    revision,
    namespace,
    enableNamespacesByDefault: false,
  });
  const { name } = objectAt(webhook, "metadata");
  t.after(() => cluster.kubectl(["delete", "mutatingwebhookconfiguration", String(name)]));
  await cluster.apply(JSON.stringify(webhook));
  await cluster.until("the webhook has its caBundle", async () => {
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${name}`;
    const { body } = await cluster.api({ path });
    const webhooks = arrayAt(body, "webhooks").filter(isObject);
    const done = webhooks.every(each => objectAt(each, "clientConfig")["caBundle"] !== undefined);
    return done && webhooks.length > 0 ? true : undefined;
  });
  return {
    revision,
    namespace,
    workloads,
    get running() {
      return replicas[0] ?? first;
    },
    async restart() {
      for (const [nth, running] of replicas.entries()) {
        const ports = { tls: running.tlsPorts[0] ?? 0, webhooks: running.webhookPort ?? 0 };
        await running.stop();
        replicas[nth] = await start(nth, ports);
      }
    },
  };
}

function discoveryOptions(
  cluster: KubeCluster,
  namespace: string,
  revision: string,
  ports: Ports,
  options: ControlPlaneOptions,
): Omit<DiscoveryOptions, "instance"> {
  return {
    source: openCluster({
      kubeconfig: cluster.kubeconfig,
      context: undefined,
      systemNamespace: namespace,
      revision,
    }),
    plaintext: undefined,
    tls: [{ host: BRIDGE_ADDRESS, port: ports.tls }],
    http: [],
    webhooks: { host: BRIDGE_ADDRESS, port: ports.webhooks },
    stateDir: undefined,
    version: "0.1.0",
    certificateLifetimeMs: undefined,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    ...options.discovery,
  };
}

export function cacertsSecret(namespace: string, stringData: object): string {
  const metadata = { name: "cacerts", namespace };
  return JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata, stringData });
}

function configMaps(namespace: string, revision: string, options: ControlPlaneOptions): string {
  const values = { revision, global: { istioNamespace: namespace }, ...options.values };
  const selectors = `discoverySelectors: [{matchLabels: {lateen-test: ${revision}}}]`;
  // As an installation into another namespace than istio-system has it.
  const mesh = `${selectors}\nrootNamespace: ${namespace}\n${options.mesh ?? ""}`;
  const injector = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `istio-sidecar-injector-${revision}`, namespace },
    data: { config: options.config ?? "", values: JSON.stringify(values) },
  };
  const meshMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `istio-${revision}`, namespace },
    data: { mesh },
  };
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: [injector, meshMap] });
}

/** Its Service leads out of the cluster, to the machine that runs this process. */
function service(
  namespace: string,
  revision: string,
  replicas: readonly RunningDiscovery[],
): string {
  const name = `istiod-${revision}`;
  const ports = [
    { name: "https-dns", port: 15012 },
    { name: "https-webhook", port: 443 },
  ];
  const object = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { ports },
  };
  // Each has ports of its own, so each has a slice of its own.
  const slices = replicas.map((running, nth) => {
    const labels = { "kubernetes.io/service-name": name };
    return {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: `${name}-${nth}`, namespace, labels },
      addressType: "IPv4",
      endpoints: [{ addresses: [BRIDGE_ADDRESS] }],
      ports: [
        { name: "https-dns", port: running.tlsPorts[0] ?? 0 },
        { name: "https-webhook", port: running.webhookPort ?? 0 },
      ],
    };
  });
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: [object, ...slices] });
}
