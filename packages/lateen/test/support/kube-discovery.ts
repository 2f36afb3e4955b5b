/** `lateen discovery` as a process of its own, for a cluster that has no pods to run it in. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { ApiRequest } from "../../../../scripts/kube/api-client.ts";
import { isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { DeltaClient } from "./ads-client.ts";
import type { KubeCluster } from "./kube-cluster.ts";

const program = join(import.meta.dirname, "../../bin/lateen.mjs");

export interface KubeDiscovery {
  /** URL of xDS over TLS. */
  readonly tls: string;
  /** Of debug and metrics. */
  readonly http: string;
  /** What it has logged so far. */
  log(): string;
  end(signal: NodeJS.Signals): Promise<void>;
}

/** On ports of loopback that the kernel gives; ended with the test. */
export async function kubeDiscovery(
  t: TestContext,
  cluster: KubeCluster,
  instance: string,
  ...more: readonly string[]
): Promise<KubeDiscovery> {
  const any = "127.0.0.1:0";
  const flags = ["--kubeconfig", cluster.kubeconfig, "--instance", instance, ...more];
  const addresses = ["--grpc-addr", "", "--tls-addr", any, "--http-addr", any];
  const child = spawn(process.execPath, [program, "discovery", ...flags, ...addresses]);
  let output = "";
  let log = "";
  child.stdout.on("data", chunk => {
    output += chunk;
  });
  child.stderr.on("data", chunk => {
    log += chunk;
  });
  t.after(() => ended(child, "SIGKILL"));
  const port = (name: string): string | undefined =>
    new RegExp(`^${name}: (\\d+)$`, "m").exec(output)?.[1];
  const http = await cluster.until(`${instance} listens`, async () => {
    if (child.exitCode !== null) throw new Error(log);
    return port("HTTP");
  });
  const url = `http://127.0.0.1:${http}`;
  await cluster.until(`${instance} is ready`, async () => {
    const answer = await fetch(`${url}/ready`);
    return answer.ok ? true : undefined;
  });
  return {
    tls: `https://127.0.0.1:${port("xDS \\(TLS\\)")}`,
    http: url,
    log: () => log,
    end: signal => ended(child, signal),
  };
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  const gone = new Promise<void>(done => child.once("exit", () => done()));
  child.kill(signal);
  return gone;
}

/** A pod on a node that is not there: enough to be bound to, and to have an address. */
export async function makePod(
  cluster: KubeCluster,
  namespace: string,
  name: string,
  address: string,
  container = "app",
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  await must(cluster, {
    method: "POST",
    path,
    body: {
      metadata: { name, labels: { app: name } },
      spec: {
        nodeName: "fake",
        terminationGracePeriodSeconds: 0,
        containers: [
          { name: container, image: "none", ports: [{ name: "http", containerPort: 8080 }] },
        ],
      },
    },
  });
  await must(cluster, {
    method: "PATCH",
    path: `${path}/${name}/status`,
    contentType: "application/merge-patch+json",
    body: {
      status: {
        phase: "Running",
        podIP: address,
        podIPs: [{ ip: address }],
        conditions: [{ type: "Ready", status: "True" }],
      },
    },
  });
}

export interface TokenRequest {
  readonly namespace: string;
  readonly account: string;
  readonly audience: string;
  /** undefined: a token that is bound to nothing. */
  readonly pod: string | undefined;
}

/** A projected token, as the kubelet would ask for one. */
export async function makeToken(cluster: KubeCluster, request: TokenRequest): Promise<string> {
  const { namespace, account, audience, pod } = request;
  const bound = { kind: "Pod", apiVersion: "v1", name: pod };
  const body = await must(cluster, {
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences: [audience], ...(pod === undefined ? {} : { boundObjectRef: bound }) },
    },
  });
  return stringAt(objectAt(body, "status"), "token");
}

export async function must(cluster: KubeCluster, request: ApiRequest) {
  const { status, body, text } = await cluster.api(request);
  if (status < 200 || status > 299) throw new Error(`${request.path}: ${status} ${text}`);
  return isObject(body) ? body : {};
}

export interface ProxyOptions {
  readonly url: string;
  readonly token: string;
  readonly namespace: string;
  readonly pod: string;
  readonly address: string;
  /** Version of the certificate that it has. */
  readonly has?: string;
}

/** A stream of a proxy that asks for its own certificate. */
export function connectProxy(options: ProxyOptions): DeltaClient {
  const { url, token, namespace, pod, address, has } = options;
  const client = new DeltaClient(url, {
    headers: { authorization: `Bearer ${token}` },
    // Whether the server is who it says is Envoy's matter, and tested with Envoy.
    rejectUnauthorized: false,
  });
  void client.status.then(() => client.close());
  const id = `sidecar~${address}~${pod}.${namespace}~${namespace}.svc.cluster.local`;
  client.send({
    node: { id, metadata: { NAMESPACE: namespace, NAME: pod } },
    typeUrl: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    resourceNamesSubscribe: ["default"],
    ...(has === undefined ? {} : { initialResourceVersions: { default: has } }),
  });
  return client;
}
