/** A control plane with proxies that answers debug types: what istioctl asks, on Istio's two xDS ports. */
import type { TestContext } from "node:test";
import { authenticate } from "../../src/authn/authenticate.ts";
import type { TokenVerifier } from "../../src/authn/token.ts";
import { type AnswerDebug, debugAnswers } from "../../src/bin/debug-answers.ts";
import { debugViews } from "../../src/bin/debug-views.ts";
import { defaultMesh } from "../../src/bin/mesh-config-input.ts";
import { createMeshGraph } from "../../src/bin/mesh-graph.ts";
import { debugPages, type ProxyQuery } from "../../src/debug/pages.ts";
import type { AdsServer } from "../../src/net/ads-server.ts";
import { DeltaClient } from "./ads-client.ts";
import { newAdsServer } from "./ads-test-server.ts";
import type { FakeClock } from "./fake-clock.ts";
import { graphSource } from "./graph-source.ts";
import { pod, service } from "./mesh-objects.ts";
import { TestAuthority } from "./test-tls.ts";

const CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LDS = "type.googleapis.com/envoy.config.listener.v3.Listener";
const authority = new TestAuthority();
/** A pod whose proxy is connected elsewhere, or nowhere. */
const MISSING = { proxy: "late.shop", proxy_type: "sidecar", cluster_id: "", istio_version: "" };

/** `NAMESPACE/ACCOUNT` is a token of the account, `NAMESPACE/ACCOUNT/POD` one of its pod. */
const tokens: TokenVerifier = {
  verify: async token => {
    const [namespace = "", serviceAccount = "", podName] = token.split("/");
    if (serviceAccount === "") return { ok: false, reason: "token is no JWT" };
    const podUid = podName === undefined ? undefined : `uid-${podName}`;
    return { ok: true, token: { namespace, serviceAccount, podName, podUid, expiresAt: 1e15 } };
  },
};

export interface DebuggedMesh {
  readonly server: AdsServer;
  /** Ports of TLS and of plaintext. */
  readonly tls: number;
  readonly plaintext: number;
  readonly roots: readonly string[];
}

export interface DebuggedMeshOptions {
  readonly clock: FakeClock;
  readonly answerMaxBytes?: number;
}

/** Namespaces `shop` and `other` have a pod with a stream each: `web.shop` and `spy.other`. */
export async function debuggedMesh(
  t: TestContext,
  { clock, answerMaxBytes }: DebuggedMeshOptions,
): Promise<DebuggedMesh> {
  const mesh = createMeshGraph();
  const { graph, inputs } = mesh;
  let answer: AnswerDebug | undefined;
  const debug: AnswerDebug = (question, peer) =>
    answer?.(question, peer) ?? { refused: "not yet", code: 14 };
  const { source, connections } = graphSource(mesh, clock, undefined, debug);
  const views = debugViews(mesh);
  const configDump = (proxy: ProxyQuery) => views.configDump(source.classOf(proxy));
  const pages = debugPages({
    ...views,
    connections,
    graph,
    configDump,
    notReady: () => undefined,
    missing: () => [{ ...MISSING, types: {} }],
    ca: () => ({}),
    clusterId: "Kubernetes",
  });
  const system = { systemNamespace: "istio-system", clock };
  const bound = answerMaxBytes === undefined ? {} : { answerMaxBytes };
  answer = debugAnswers({ pages, connections, configDump, ...system, ...bound });
  const ports = [{ name: "http", port: 80 }];
  const web = service(
    { at: "shop/web" },
    { clusterIP: "10.1.0.1", selector: { app: "web" }, ports },
  );
  graph.commit({ source: "test" }, writer => {
    writer.set(inputs.mesh, "mesh", defaultMesh());
    for (const [at, ip] of [
      ["shop/web", "10.0.0.1"],
      ["other/spy", "10.0.0.2"],
    ] as const) {
      const made = pod({ at, labels: { app: "web" } }, { ip, account: "app" });
      const uid = `uid-${made.metadata.name}`;
      writer.set(inputs.pods, at, { ...made, metadata: { ...made.metadata, uid } });
    }
    writer.set(inputs.services, "shop/web", web);
  });
  source.markReady();
  const server = newAdsServer(source, {
    authenticate: caller => authenticate(caller, { tokens, trustDomain: "cluster.local" }),
    controlPlane: JSON.stringify({ Component: "istiod", ID: "istiod-1", Info: { version: "9" } }),
  });
  t.after(() => server.close());
  server.setTls(authority.server());
  const tls = await server.listenTls({ port: 0 });
  const plaintext = await server.listenPlaintext({ port: 0 });
  for (const [name, namespace, ip] of [
    ["web", "shop", "10.0.0.1"],
    ["spy", "other", "10.0.0.2"],
  ] as const)
    await connectProxy(t, tls, { name, namespace, ip });
  return { server, tls, plaintext, roots: authority.roots };
}

async function connectProxy(
  t: TestContext,
  port: number,
  { name, namespace, ip }: { name: string; namespace: string; ip: string },
): Promise<void> {
  const headers = { authorization: `Bearer ${namespace}/app/${name}` };
  const client = new DeltaClient(`https://localhost:${port}`, {
    ca: [...authority.roots],
    headers,
  });
  t.after(() => client.close());
  const metadata = { NAMESPACE: namespace, CLUSTER_ID: "Kubernetes", ISTIO_VERSION: "1.30.1" };
  const id = `sidecar~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`;
  client.send({ node: { id, metadata }, typeUrl: CDS });
  client.ack(await client.response(1));
  client.send({ typeUrl: LDS });
  await client.response(2);
}
