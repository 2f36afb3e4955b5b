/** The way of commands into a mesh on Kubernetes: the API server, and through it ports of pods. */
import { request } from "node:http";
import type { JsonObject } from "../api/kind.ts";
import { CONTROL_PLANE_LABEL, REVISION_LABEL } from "../api/revision-label.ts";
import { UserError } from "../cli/command.ts";
import type {
  ApiAnswer,
  ApiCall,
  Following,
  MeshAccess,
  PodRef,
  ReadingText,
} from "../cli/context.ts";
import { resourceOf } from "../install/objects.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { type HttpTransportOptions, httpTransport } from "../sources/client/http-transport.ts";
import { portForward } from "../sources/client/port-forward.ts";
import type { Transport } from "../sources/client/transport.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { callApi, followApi } from "./call-api.ts";
import { clusterOptions, type PersonsCluster } from "./open-cluster.ts";

export interface KubeMeshChoice {
  readonly cluster: PersonsCluster;
  readonly systemNamespace: string;
  /** Only its control planes; undefined: all. */
  readonly revision: string | undefined;
  /** Of Envoys' admin interface. */
  readonly adminPort: number;
}

const DEBUG_PORT = 8080;
const OF_ONE_PROXY = "/debug/config_dump?";
const TIMEOUT_MS = 20_000;
const MAX_ANSWER = 256 << 20;
const PODS = { group: "", versions: ["v1"], plural: "pods", namespaced: true };

/** Throws a `UserError` where the cluster can not be known. */
export function openKubeMesh(choice: KubeMeshChoice): MeshAccess {
  return new KubeMesh(clusterOptions(choice.cluster), choice);
}

class KubeMesh implements MeshAccess {
  readonly #options: HttpTransportOptions;
  readonly #transport: Transport;
  readonly #client: ApiClient;
  readonly #choice: KubeMeshChoice;

  constructor(options: HttpTransportOptions, choice: KubeMeshChoice) {
    this.#options = options;
    this.#transport = httpTransport(options);
    this.#client = new ApiClient(this.#transport);
    this.#choice = choice;
  }

  api(call: ApiCall): Promise<ApiAnswer> {
    return callApi(this.#transport, call);
  }

  follow(call: ApiCall, following: Following): Promise<ApiAnswer | undefined> {
    return followApi(this.#transport, call, following);
  }

  readText(call: ApiCall, reading: ReadingText): Promise<ApiAnswer | undefined> {
    return followApi(this.#transport, call, reading);
  }

  async envoyAdmin(pod: PodRef, method: "GET" | "POST", path: string): Promise<string> {
    return this.#ask(pod, this.#choice.adminPort, method, `/${path}`).catch((error: unknown) => {
      throw new UserError(
        `the Envoy of pod ${pod.name} in namespace ${pod.namespace} does not answer: ${reasonOf(error)}`,
        "does the pod have a sidecar? 'lateen x check-inject' says why not",
      );
    });
  }

  async discoveryDebug(path: string): Promise<ReadonlyMap<string, string>> {
    const answers = new Map<string, string>();
    const pods = await this.#controlPlanes();
    for (const pod of pods) answers.set(pod.name, await this.#askControlPlane(pod, path));
    return answers;
  }

  exec(pod: PodRef): Promise<number> {
    return Promise.reject(inAnotherWay(pod, "exec"));
  }

  forward(pod: PodRef): ReturnType<MeshAccess["forward"]> {
    return Promise.reject(inAnotherWay(pod, "port-forward"));
  }

  /** Every replica of every revision that runs; while some are ready, one that only starts does not count. */
  async #controlPlanes(): Promise<PodRef[]> {
    const { systemNamespace: namespace, revision } = this.#choice;
    const list = await this.#client.list(PODS, {
      namespace,
      labelSelector: `app=istiod${revision === undefined ? "" : `,${REVISION_LABEL}=${revision}`}`,
      fieldSelector: "status.phase=Running",
    });
    if (!list.ok) throw new UserError(`the cluster does not tell its pods: ${list.status.message}`);
    const staying = list.value.items.filter(
      item => objectAt(item, "metadata")["deletionTimestamp"] === undefined,
    );
    if (staying.length === 0) throw await this.#noControlPlane();
    // Beside Istio's, which keeps its debug pages to itself, ours are meant.
    const own = staying.filter(isLateen);
    const known = own.length > 0 ? own : staying;
    const ready = known.filter(isReady);
    return (ready.length > 0 ? ready : known).map(item => ({
      namespace,
      name: stringAt(objectAt(item, "metadata"), "name"),
    }));
  }

  /** Its text is istioctl's; the hint looks whether there is a Deployment at all. */
  async #noControlPlane(): Promise<UserError> {
    const { systemNamespace: namespace, revision } = this.#choice;
    const labelSelector = `app=istiod${revision === undefined ? "" : `,${REVISION_LABEL}=${revision}`}`;
    const list = await this.#client.list(resourceOf("Deployment"), { namespace, labelSelector });
    const [deployment] = list.ok ? list.value.items : [];
    const name = deployment && stringAt(objectAt(deployment, "metadata"), "name");
    const replicas = deployment && objectAt(deployment, "spec")["replicas"];
    const scaled =
      replicas === 0
        ? `its Deployment has 0 replicas: kubectl scale deployment ${name} -n ${namespace} --replicas 1`
        : `its Deployment has no pod that runs: kubectl describe deployment ${name} -n ${namespace}`;
    const hint = name === undefined ? undefined : scaled;
    return revision === undefined
      ? new UserError(`no running Istio pods in "${namespace}"`, hint ?? "lateen install")
      : new UserError(
          `no running Istio pods of revision "${revision}" in "${namespace}"`,
          hint ?? "'lateen tag list' shows revisions and tags",
        );
  }

  #askControlPlane(pod: PodRef, path: string): Promise<string> {
    // A proxy is connected to one replica of many: the others know nothing of it, and say so.
    const fine = path.startsWith(OF_ONE_PROXY) ? [200, 404] : [200];
    return this.#ask(pod, DEBUG_PORT, "GET", path, fine).catch((error: unknown) => {
      throw new UserError(
        `the control plane in pod ${pod.name} does not answer: ${reasonOf(error)}`,
      );
    });
  }

  /** Rejects unless the answer has a status of `fine`. */
  async #ask(
    pod: PodRef,
    port: number,
    method: "GET" | "POST",
    path: string,
    fine: readonly number[] = [200],
  ): Promise<string> {
    const to = { namespace: pod.namespace, pod: pod.name, port };
    const connection = await portForward(this.#options, to);
    try {
      return await new Promise<string>((done, fail) => {
        const outgoing = request({
          method,
          path,
          headers: { host: `localhost:${port}`, connection: "close", "content-length": "0" },
          signal: AbortSignal.timeout(TIMEOUT_MS),
          createConnection: () => connection,
        });
        outgoing.on("error", fail);
        outgoing.on("response", response => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on("data", (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_ANSWER) response.destroy(new Error("the answer is too long"));
            else chunks.push(chunk);
          });
          response.on("error", fail);
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            if (fine.includes(response.statusCode ?? 0)) done(text);
            else fail(new Error(`status ${response.statusCode} to ${path}: ${text.trim()}`));
          });
        });
        outgoing.end();
      });
    } finally {
      connection.destroy();
    }
  }
}

function isLateen(pod: JsonObject): boolean {
  return objectAt(objectAt(pod, "metadata"), "labels")[CONTROL_PLANE_LABEL] !== undefined;
}

function isReady(pod: JsonObject): boolean {
  return arrayAt(objectAt(pod, "status"), "conditions").some(
    each => isObject(each) && each["type"] === "Ready" && each["status"] === "True",
  );
}

function inAnotherWay({ namespace, name }: PodRef, verb: string): UserError {
  return new UserError(
    `lateen ${verb} is for meshes on this machine`,
    `kubectl ${verb} -n ${namespace} ${name}`,
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
