import type { JsonObject } from "../../src/api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import type { KubeCluster, Ran, RunOptions } from "./kube-cluster.ts";

export interface PodFacts {
  readonly name: string;
  readonly address: string;
}

/** What a test does in a namespace of its own. */
export class KubeNamespace {
  readonly name: string;
  readonly #cluster: KubeCluster;

  constructor(cluster: KubeCluster, name: string) {
    this.#cluster = cluster;
    this.name = name;
  }

  /** kubectl in this namespace; fails the test where kubectl fails. */
  kubectl(...args: readonly string[]): Promise<string> {
    return this.#cluster.must(["-n", this.name, ...args]);
  }

  /** See KubeCluster.until. */
  until<T>(what: string, attempt: () => Promise<T | undefined>, timeoutMs?: number): Promise<T> {
    return this.#cluster.until(what, attempt, timeoutMs);
  }

  apply(yaml: string): Promise<string> {
    return this.#cluster.apply(yaml, "-n", this.name);
  }

  /** A command in a container; `target` is a pod, or e.g. `deploy/sleep`. */
  exec(target: string, command: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return this.#cluster.kubectl(["-n", this.name, "exec", target, "--", ...command], options);
  }

  /** Pods with these labels that are ready and not on their way out, when there are so many. */
  readyPods(labels: string, count: number, timeoutMs?: number): Promise<PodFacts[]> {
    const path = `/api/v1/namespaces/${this.name}/pods?labelSelector=${encodeURIComponent(labels)}`;
    const what = `${count} pods ${labels} in ${this.name} are ready`;
    const attempt = async (): Promise<PodFacts[] | undefined> => {
      const { body } = await this.#cluster.api({ path });
      const ready = arrayAt(body, "items").filter(isObject).filter(isReady);
      if (ready.length !== count) throw new Error(`${ready.length} are`);
      return ready.map(pod => ({
        name: stringAt(objectAt(pod, "metadata"), "name"),
        address: stringAt(objectAt(pod, "status"), "podIP"),
      }));
    };
    return this.#cluster.until(what, attempt, timeoutMs);
  }

  /** A pod with a shell and curl, ready to send requests from. */
  async client(name = "client"): Promise<string> {
    await this.apply(clientPod(name));
    await this.readyPods(`app=${name}`, 1);
    return name;
  }

  /**
   * What curl gets, from inside a pod. Tried again until it succeeds: a Service answers a moment after
   * its pods are ready.
   */
  curl(pod: string, ...args: readonly string[]): Promise<string> {
    return this.#cluster.until(`curl ${args.join(" ")} in ${pod}`, async () => {
      const command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "5", ...args];
      const { code, stdout, stderr } = await this.exec(pod, command);
      if (code !== 0) throw new Error(stderr.trim());
      return stdout;
    });
  }

  /** What a load-balancer controller would do: an address of the bed's range for a Service. */
  async giveAddress(service: string, address: string): Promise<void> {
    const status = { loadBalancer: { ingress: [{ ip: address }] } };
    const patch = ["patch", "service", service, "--subresource=status", "--type=merge"];
    await this.kubectl(...patch, "-p", JSON.stringify({ status }));
  }
}

function isReady(pod: JsonObject): boolean {
  const conditions = arrayAt(objectAt(pod, "status"), "conditions").filter(isObject);
  const ready = conditions.some(each => each["type"] === "Ready" && each["status"] === "True");
  return ready && objectAt(pod, "metadata")["deletionTimestamp"] === undefined;
}

function clientPod(name: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: ${name}
    image: curlimages/curl:8.16.0
    command: [sleep, infinity]
`;
}

/** A pod `web` of the demo application on port 80, and a Service of this name on a port of this name. */
export function webServer(portName: string, port: number): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: web, image: "ikubernetes/demoapp:v1.0", ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: ${portName}, port: ${port}, targetPort: 80}]}
`;
}
