/** A cluster for a bench: brought up, filled with fake pods, taken away whatever happens. */
import { spawnSync } from "node:child_process";
import { Agent } from "node:https";
import { join } from "node:path";
import { type ApiAnswer, type ApiRequest, callApi } from "../../../scripts/kube/api-client.ts";
import { down, up } from "../../../scripts/kube/cluster.ts";
import { addFakeNodes } from "../../../scripts/kube/kwok.ts";
import { type ClusterPlan, pathsOf } from "../../../scripts/kube/plan.ts";
import type { Progress } from "../../../scripts/kube/progress.ts";
import { customResourceDefinitions } from "../src/api/custom-resources.ts";
import type { JsonObject } from "../src/api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../src/sources/json.ts";
import {
  deployment,
  deploymentName,
  type KubeLoadSize,
  namespaceNames,
  PROBE,
  podsOf,
  probeObjects,
  range,
  service,
} from "./kube-load.ts";
import { pause } from "./request.ts";

export interface KubePod {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly address: string;
}

const KUBE_DOWN = join(import.meta.dirname, "../../../scripts/kube-down.ts");
const SYSTEM_NAMESPACE = "istio-system";
const RUNNING_WITHIN_MS = 900_000;
const SHORTLY_MS = 60_000;
const POLL_MS = 500;
const CONNECTIONS = 8;

export class KubeBed {
  readonly #plan: ClusterPlan;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  readonly #endAtExit: () => void;

  private constructor(plan: ClusterPlan, endAtExit: () => void) {
    this.#plan = plan;
    this.#endAtExit = endAtExit;
  }

  /** API server, controllers and fake nodes, without root; the kinds of the mesh are there. */
  static async start(size: KubeLoadSize, progress: Progress): Promise<KubeBed> {
    const name = `bench-${process.pid}`;
    // Also when we are interrupted, when nothing asynchronous runs any more.
    const endAtExit = (): void => {
      spawnSync(process.execPath, [KUBE_DOWN, "--name", name]);
    };
    process.once("exit", endAtExit);
    const { plan, binaries } = await up({ name, mode: "control-plane", owned: true, progress });
    const bed = new KubeBed(plan, endAtExit);
    try {
      await addFakeNodes(plan, binaries, size.services);
      const crds = customResourceDefinitions();
      const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
      for (const crd of crds) await bed.create(path, crd);
      for (const each of [...namespaceNames(size), PROBE.namespace, SYSTEM_NAMESPACE])
        await bed.create("/api/v1/namespaces", { metadata: { name: each } });
      await bed.until("the kinds of the mesh are served", SHORTLY_MS, async () => {
        const group = await bed.call({ path: "/apis/networking.istio.io/v1/virtualservices" });
        return group.status === 200;
      });
      return bed;
    } catch (error) {
      await bed.stop();
      throw error;
    }
  }

  get kubeconfig(): string {
    return pathsOf(this.#plan).kubeconfig;
  }

  call(request: ApiRequest): Promise<ApiAnswer> {
    return callApi(this.#plan, { ...request, agent: this.#agent });
  }

  /** Fails where the API server does not carry it out. */
  async must(request: ApiRequest): Promise<JsonObject> {
    const { status, body, text } = await this.call(request);
    if (status >= 200 && status <= 299) return body;
    throw new Error(`${request.method ?? "GET"} ${request.path}: ${status} ${text}`);
  }

  create(path: string, body: JsonObject): Promise<JsonObject> {
    return this.must({ method: "POST", path, body });
  }

  merge(path: string, body: object): Promise<JsonObject> {
    const contentType = "application/merge-patch+json";
    return this.must({ method: "PATCH", path, body, contentType });
  }

  /** Until every pod runs and is an endpoint. Returns how long that took. */
  async fill(size: KubeLoadSize, progress: Progress): Promise<number> {
    const started = performance.now();
    for (const object of probeObjects()) await this.create(collectionOf(object), object);
    for (const i of range(size.services)) {
      for (const object of [service(size, i), deployment(size, i)])
        await this.create(collectionOf(object), object);
    }
    let told = 0;
    await this.until(`${size.pods} pods are Running`, RUNNING_WITHIN_MS, async () => {
      const ready = await this.#readyPods();
      if (ready - told >= 1000) {
        progress(`${ready} of ${size.pods} pods are Running`);
        told = ready;
      }
      return ready >= size.pods;
    });
    await this.until("every pod is an endpoint", SHORTLY_MS, async () => {
      const endpoints = await Promise.all(
        namespaceNames(size).map(namespace => this.#endpoints(namespace)),
      );
      return endpoints.reduce((sum, each) => sum + each, 0) >= size.pods;
    });
    return performance.now() - started;
  }

  /** The pods of a Deployment; sorted, so that two runs take the same ones. */
  async pods(size: KubeLoadSize, index: number): Promise<KubePod[]> {
    const { name, namespace } = deploymentName(size, index);
    const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3D${name}`;
    const body = await this.must({ path });
    const items = arrayAt(body, "items").filter(isObject);
    if (items.length < podsOf(size, index)) throw new Error(`${name} has ${items.length} pods`);
    const found = items.map(each => {
      const metadata = objectAt(each, "metadata");
      const address = stringAt(objectAt(each, "status"), "podIP");
      const uid = stringAt(metadata, "uid");
      return { name: stringAt(metadata, "name"), namespace, uid, address };
    });
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** A token as the kubelet would project it. */
  async token(pod: KubePod): Promise<string> {
    const boundObjectRef = { kind: "Pod", apiVersion: "v1", name: pod.name, uid: pod.uid };
    const path = `/api/v1/namespaces/${pod.namespace}/serviceaccounts/default/token`;
    const body = await this.create(path, { spec: { audiences: ["istio-ca"], boundObjectRef } });
    return stringAt(objectAt(body, "status"), "token");
  }

  /** The mesh's root, as every namespace has it. */
  async rootCertificate(): Promise<string> {
    const path = `/api/v1/namespaces/${PROBE.namespace}/configmaps/istio-ca-root-cert`;
    let root = "";
    await this.until("the mesh's root is published", SHORTLY_MS, async () => {
      const { body } = await this.call({ path });
      root = stringAt(objectAt(body, "data"), "root-cert.pem");
      return root !== "";
    });
    return root;
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await down(this.#plan.name);
    process.off("exit", this.#endAtExit);
  }

  async until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + withinMs;
    while (!(await holds())) {
      if (performance.now() > end) throw new Error(`${what}: not within ${withinMs / 1000} s`);
      await pause(POLL_MS);
    }
  }

  async #readyPods(): Promise<number> {
    const body = await this.must({ path: "/apis/apps/v1/deployments" });
    const ready = arrayAt(body, "items")
      .filter(isObject)
      .map(each => Number(objectAt(each, "status")["readyReplicas"] ?? 0));
    return ready.reduce((sum, each) => sum + each, 0);
  }

  async #endpoints(namespace: string): Promise<number> {
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    const slices = arrayAt(await this.must({ path }), "items").filter(isObject);
    return slices.reduce((sum, slice) => sum + arrayAt(slice, "endpoints").length, 0);
  }
}

const COLLECTIONS: Readonly<Record<string, string>> = {
  Service: "services",
  Deployment: "deployments",
  EndpointSlice: "endpointslices",
  VirtualService: "virtualservices",
};

function collectionOf(object: JsonObject): string {
  const version = stringAt(object, "apiVersion");
  const root = version.includes("/") ? "/apis" : "/api";
  const namespace = stringAt(objectAt(object, "metadata"), "namespace");
  const plural = COLLECTIONS[stringAt(object, "kind")] ?? "";
  return `${root}/${version}/namespaces/${namespace}/${plural}`;
}
