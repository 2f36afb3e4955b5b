/** A node network with an xDS server of its own, for tests of pods without a control plane. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "@lateen/envoy-api/any.js";
import {
  Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
} from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { OriginalDst } from "@lateen/envoy-api/envoy/extensions/filters/listener/original_dst/v3/original_dst.js";
import { TcpProxy } from "@lateen/envoy-api/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.js";
import type { JsonObject } from "../../src/api/kind.ts";
import { podKind } from "../../src/api/pod/kind.ts";
import type { Pod } from "../../src/api/pod/schema.ts";
import { assert } from "../../src/base/assert.ts";
import { silentLog } from "../../src/base/log.ts";
import { openAuthority } from "../../src/ca/authority.ts";
import { selfSignedRoot } from "../../src/ca/certificate.ts";
import { clusterType, listenerType } from "../../src/discovery/type-order.ts";
import { podPool } from "../../src/local/network-plan.ts";
import { createNodeNetwork, type NodeNetwork } from "../../src/local/node-network.ts";
import type { PodContext } from "../../src/local/pod-context.ts";
import { podDiscoveryTls } from "../../src/local/pod-files.ts";
import { ProcessRecord } from "../../src/local/process-record.ts";
import { endEverything } from "../../src/local/reap.ts";
import { SYSTEM_PATH } from "../../src/local/sandbox.ts";
import { AdsServer, type TlsMaterial } from "../../src/net/ads-server.ts";
import { systemClock } from "../../src/net/clock.ts";
import { injectPod } from "../../src/proxy/inject-pod.ts";
import { envoyBinary } from "./envoy.ts";
import { FakeConfigSource } from "./fake-config-source.ts";

export const SERVER_NAME = "istiod.istio-system.svc";

export interface PodMesh {
  readonly node: NodeNetwork;
  readonly context: PodContext;
  readonly source: FakeConfigSource;
  readonly port: number;
  /** Tokens that streams were opened with. */
  readonly tokens: string[];
  /** Tokens issued from now on live this long. */
  tokenLifeMs: number;
  /** A new root; the server has a certificate under it once it is restarted. */
  rotateRoot(): void;
  /** Ends the xDS server and starts another one on the same port: proxies come back. */
  restartServer(): Promise<void>;
  inject(pod: JsonObject): Pod;
  stop(): Promise<void>;
}

/** Why these tests can not run here, for `skip`. */
export function needsRoot(): string | false {
  return process.getuid?.() === 0 ? false : "needs root, for network namespaces";
}

export async function startPodMesh(): Promise<PodMesh> {
  const stateDir = await mkdtemp(join(tmpdir(), "lateen-pods-"));
  const record = new ProcessRecord(
    join(stateDir, "processes.jsonl"),
    randomBytes(16).toString("hex"),
  );
  const network = await createNodeNetwork(record, silentLog);
  assert(network.ok, JSON.stringify(network.diagnostics));
  const node = network.value;
  const tokens: string[] = [];
  const source = passthroughSource();
  const root = new TestRoot();
  const listen = async (at: number): Promise<readonly [AdsServer, number]> => {
    const created = newServer(source, tokens);
    created.setTls(root.serverCertificate());
    return [created, await created.listenTls({ host: node.plan.hostAddress, port: at })];
  };
  let [server, port] = await listen(0);
  const state = { tokenLifeMs: 3_600_000, issued: 0 };
  const context: PodContext = {
    record,
    node,
    addresses: podPool(node.plan),
    clock: systemClock,
    log: silentLog,
    stateDir,
    envoy: await envoyBinary(),
    discoveryServerName: SERVER_NAME,
    domain: "cluster.local",
    baseEnv: { PATH: `${join(process.execPath, "..")}:${SYSTEM_PATH}`, HOME: "/root" },
    workingDir: "/",
    backOff: { firstMs: 400, maxMs: 2000, forgetMs: 60_000 },
    termination: { drainMs: 200 },
    rootCert: root,
    issueToken: request => {
      const expiresAt = Date.now() + state.tokenLifeMs;
      return Promise.resolve({ token: `${request.podName}-${++state.issued}`, expiresAt });
    },
    data: () => undefined,
  };
  return {
    node,
    context,
    source,
    port,
    tokens,
    get tokenLifeMs() {
      return state.tokenLifeMs;
    },
    set tokenLifeMs(ms) {
      state.tokenLifeMs = ms;
    },
    rotateRoot: () => root.rotate(),
    restartServer: async () => {
      await server.close();
      [server, port] = await listen(port);
    },
    inject: pod => inject(pod, node.plan.hostAddress, port),
    stop: async () => {
      await server.close();
      await endEverything(record.content);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

function newServer(source: FakeConfigSource, tokens: string[]): AdsServer {
  return new AdsServer({
    source,
    authenticate: ({ transport, address, headers }) => {
      tokens.push(String(headers["authorization"] ?? ""));
      return { transport, address, identity: undefined, claims: {} };
    },
    clock: systemClock,
    log: silentLog,
  });
}

class TestRoot {
  #root = newRoot();
  readonly #listeners = new Set<() => void>();

  current(): string {
    return this.#root.certificatePem;
  }

  onChange(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  rotate(): void {
    this.#root = newRoot();
    for (const listener of this.#listeners) listener();
  }

  serverCertificate(): TlsMaterial {
    const now = Date.now();
    const authority = openAuthority(
      {
        "ca-cert.pem": this.#root.certificatePem,
        "ca-key.pem": this.#root.privateKeyPem,
        "root-cert.pem": this.#root.certificatePem,
        "cert-chain.pem": "",
      },
      now,
    );
    assert(authority.ok, JSON.stringify(authority.diagnostics));
    const names = { dnsNames: [SERVER_NAME], uris: [] };
    const issued = authority.value.issue(names, { notBefore: now - 1000, notAfter: now + 3.6e6 });
    return {
      certificateChain: issued.certificatePem,
      privateKey: issued.privateKeyPem,
      clientRoots: [],
    };
  }
}

function newRoot(): ReturnType<typeof selfSignedRoot> {
  const now = Date.now();
  return selfSignedRoot("cluster.local", { notBefore: now - 1000, notAfter: now + 3.6e6 });
}

/** Whatever is intercepted goes on to where it was going; in, from 127.0.0.6. */
function passthroughSource(): FakeConfigSource {
  const source = new FakeConfigSource();
  source.commit(edit => {
    edit.set(clusterType, "out", "1", passthroughCluster("out", undefined));
    edit.set(clusterType, "in", "1", passthroughCluster("in", "127.0.0.6"));
    edit.set(listenerType, "virtualOutbound", "1", passthroughListener(15001, "out"));
    edit.set(listenerType, "virtualInbound", "1", passthroughListener(15006, "in"));
  });
  return source;
}

function passthroughCluster(name: string, from: string | undefined): Uint8Array {
  return Cluster.encode({
    name,
    type: Cluster_DiscoveryType.ORIGINAL_DST,
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    connectTimeout: { seconds: 2 },
    ...(from === undefined
      ? {}
      : { upstreamBindConfig: { sourceAddress: { address: from, portValue: 0 } } }),
  }).finish();
}

function passthroughListener(portValue: number, cluster: string): Uint8Array {
  const proxy = pack(TcpProxy, { statPrefix: cluster, cluster });
  return Listener.encode({
    name: cluster,
    address: { socketAddress: { address: "0.0.0.0", portValue } },
    listenerFilters: [
      { name: "envoy.filters.listener.original_dst", typedConfig: pack(OriginalDst, {}) },
    ],
    filterChains: [{ filters: [{ name: "envoy.filters.network.tcp_proxy", typedConfig: proxy }] }],
  }).finish();
}

function inject(pod: JsonObject, host: string, port: number): Pod {
  const injected = injectPod(pod, {
    settings: {
      discovery: { host, port, tls: podDiscoveryTls(SERVER_NAME) },
      command: ["/run/lateen/envoy"],
      image: "envoy-server:1.40.0",
      version: "test",
      domain: "cluster.local",
      clusterId: "Kubernetes",
      meshId: "cluster.local",
      concurrency: 1,
      logLevel: "warning",
    },
    namespaceLabels: { "istio-injection": "enabled" },
    revision: "default",
    enableByDefault: false,
  });
  assert(injected.ok, JSON.stringify(injected.diagnostics));
  const decoded = podKind.decode(injected.value);
  assert(decoded.ok, JSON.stringify(decoded.diagnostics));
  return decoded.value;
}
