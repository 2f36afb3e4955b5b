/**
 * Two real Envoys with identities and a control plane that gives them certificates: every request
 * to the client goes to the server over the mesh's TLS. Only secrets ever change.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "@lateen/envoy-api/any.js";
import {
  Cluster,
  Cluster_DiscoveryType,
} from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import type { Route } from "@lateen/envoy-api/envoy/config/route/v3/route_components.js";
import { Router } from "@lateen/envoy-api/envoy/extensions/filters/http/router/v3/router.js";
import { HttpConnectionManager } from "@lateen/envoy-api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.js";
import { HttpProtocolOptions } from "@lateen/envoy-api/envoy/extensions/upstreams/http/v3/http_protocol_options.js";
import { authenticate } from "../../src/authn/authenticate.ts";
import { checkNodeClaims } from "../../src/authn/node-claims.ts";
import { maySubscribeSecret } from "../../src/authn/secret-access.ts";
import { createTokenVerifier, issueToken } from "../../src/authn/token.ts";
import { loadOrCreateTokenKey, type TokenKey } from "../../src/authn/token-key.ts";
import type { Result } from "../../src/base/diagnostic.ts";
import { silentLog } from "../../src/base/log.ts";
import type { SecretPort } from "../../src/base/secret-port.ts";
import type { Authority } from "../../src/ca/authority.ts";
import { loadOrCreateRoot } from "../../src/ca/root.ts";
import { createServerCertificate } from "../../src/ca/server-cert.ts";
import {
  createWorkloadCertificates,
  type WorkloadCertificates,
} from "../../src/ca/workload-certs.ts";
import { clusterType, listenerType, secretType } from "../../src/discovery/type-order.ts";
import type {
  ConfigSource,
  Connection,
  Node,
  Peer,
  Refusal,
  Resource,
} from "../../src/discovery/types.ts";
import { createGraph } from "../../src/flow/graph.ts";
import { createWatchSets } from "../../src/flow/watch.ts";
import type { WatchSets } from "../../src/flow/watch-types.ts";
import type { TrustBundle, WorkloadCertificate } from "../../src/model/types.ts";
import type { ServerLimits } from "../../src/net/ads-limits.ts";
import { AdsServer } from "../../src/net/ads-server.ts";
import { systemClock } from "../../src/net/clock.ts";
import { discoveryCluster, discoverySdsFiles } from "../../src/proxy/xds-cluster.ts";
import { viewKey } from "../../src/xds/resources/family.ts";
import { createSecretCells } from "../../src/xds/resources/secrets.ts";
import { meshClientSocket, meshServerSocket } from "../../src/xds/tls.ts";
import { EnvoyProcess } from "./envoy-process.ts";
import { FakeConfigSource, type FakeConnection } from "./fake-config-source.ts";
import { adsBootstrap } from "./static-mesh.ts";

const TRUST_DOMAIN = "cluster.local";
const SERVER_NAME = "istiod.istio-system.svc";
const ROOT_FILE = "root-cert.pem";
const TOKEN_FILE = "istio-token";
/** So that a token of the same second is another one. */
const SHORTER_MS = 3_600_000;

/** Outlives control planes: the CA's key and the key of the tokens. */
export interface Trust {
  readonly authority: Authority;
  readonly tokenKey: TokenKey;
}

export async function newTrust(): Promise<Trust> {
  const secrets = new Map<string, Readonly<Record<string, string>>>();
  const port: SecretPort = {
    get: async name => secrets.get(name),
    create: async (name, _type, data) => {
      secrets.set(name, data);
      return "created";
    },
  };
  const now = Date.now();
  const authority = opened(await loadOrCreateRoot(port, { trustDomain: TRUST_DOMAIN, now }));
  return { authority, tokenKey: opened(await loadOrCreateTokenKey(port)) };
}

function opened<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics));
  return result.value;
}

export class IdentityControlPlane {
  readonly source: IdentitySource;
  /** Authorization headers of all streams, in their order. */
  readonly credentials: string[] = [];
  /** Those of streams that were refused for them. */
  readonly unauthenticated: string[] = [];
  readonly #certificates: WorkloadCertificates;
  readonly #ads: AdsServer;

  constructor(
    trust: Trust,
    fixed: FakeConfigSource,
    lifetimeMs: number,
    serverLimits: Partial<ServerLimits> = {},
  ) {
    const { authority, tokenKey } = trust;
    const graph = createGraph();
    const certificates = graph.input<WorkloadCertificate>("certificates");
    const bundles = graph.input<TrustBundle>("trust bundles");
    const cells = createSecretCells(graph, {
      certificates,
      bundles,
      credentials: graph.input("credentials"),
    });
    const sets = createWatchSets<Resource | undefined>({ cells, cellKey: viewKey });
    graph.commit({ source: "ca" }, writer =>
      writer.set(bundles, TRUST_DOMAIN, { trustDomain: TRUST_DOMAIN, roots: authority.roots }),
    );
    const common = { authority, clock: systemClock, log: silentLog };
    this.#certificates = createWorkloadCertificates({
      ...common,
      graph,
      rows: certificates,
      random: Math.random,
      lifetimeMs,
    });
    this.source = new IdentitySource(fixed, sets, this.#certificates);
    const tokens = createTokenVerifier(tokenKey, systemClock);
    this.#ads = new AdsServer({
      source: this.source,
      authenticate: async caller => {
        const credential = String(caller.headers["authorization"]);
        this.credentials.push(credential);
        const answer = await authenticate(caller, { tokens, trustDomain: TRUST_DOMAIN });
        if ("refused" in answer) this.unauthenticated.push(credential);
        return answer;
      },
      clock: systemClock,
      log: silentLog,
      serverLimits,
    });
    const own = createServerCertificate({ ...common, namespace: "istio-system" });
    const { certificatePem, privateKeyPem } = own.current();
    own.dispose();
    this.#ads.setTls({
      certificateChain: certificatePem,
      privateKey: privateKeyPem,
      clientRoots: authority.roots,
    });
  }

  listen(port = 0): Promise<number> {
    return this.#ads.listenTls({ port });
  }

  async stop(): Promise<void> {
    await this.#ads.close();
    this.#certificates.dispose();
  }
}

/** Fixed resources by pod name, secrets from the CA. */
class IdentitySource implements ConfigSource {
  readonly ready = true;
  readonly connections: FakeConnection[] = [];
  readonly refusals: string[] = [];
  readonly #fixed: FakeConfigSource;
  readonly #sets: WatchSets<Resource | undefined>;
  readonly #certificates: WorkloadCertificates;

  constructor(
    fixed: FakeConfigSource,
    sets: WatchSets<Resource | undefined>,
    certificates: WorkloadCertificates,
  ) {
    this.#fixed = fixed;
    this.#sets = sets;
    this.#certificates = certificates;
  }

  onReady(): () => void {
    return () => {};
  }

  /** Secrets that were sent over all streams. */
  get secretsSent(): number {
    const events = this.connections.flatMap(connection => connection.events);
    return events.filter(event => event.kind === "sent" && event.type === secretType).length;
  }

  connect(node: Node, peer: Peer, form: "delta" | "sotw"): Connection | Refusal {
    const refusal = checkNodeClaims(node, peer);
    const connection = refusal ?? this.#fixed.connect(node, peer, form);
    if ("refused" in connection) {
      this.refusals.push(connection.refused);
      return connection;
    }
    const fake = this.#fixed.connections.at(-1);
    if (fake !== undefined) this.connections.push(fake);
    let release: (() => void) | undefined;
    const { identity = "" } = peer;
    return {
      id: connection.id,
      wildcard: type => connection.wildcard(type),
      has: (type, versions) => {
        const held = versions.get("default");
        if (type !== secretType || held === undefined) return versions;
        release = this.#certificates.hold(identity, held);
        const version = this.#certificates.versionFor(identity, held);
        return new Map([...versions, ["default", version ?? held]]);
      },
      named: (type, names) => {
        if (type !== secretType) return connection.named(type, names);
        release ??= this.#certificates.hold(identity);
        const allowed = names.filter(name => maySubscribeSecret(peer, name, false));
        return this.#sets.explicit(identity, allowed);
      },
      onReclassified: listener => connection.onReclassified(listener),
      report: event => connection.report(event),
      close: () => release?.(),
    };
  }
}

function identityOf(account: string): string {
  return `spiffe://${TRUST_DOMAIN}/ns/default/sa/${account}`;
}

export function newFixedResources(): FakeConfigSource {
  const fixed = new FakeConfigSource();
  fixed.namedOnly.add(secretType);
  fixed.classOf = node => String(node.metadata["NAME"]);
  return fixed;
}

/** The server's listener: answers by itself, over the mesh's TLS only. */
export function setServer(fixed: FakeConfigSource): void {
  const listener = httpListener("inbound", { directResponse: { status: 200 } });
  const [chain] = listener.filterChains ?? [];
  const socket = meshServerSocket([TRUST_DOMAIN], ["h2", "http/1.1"]);
  const filterChains = [{ ...chain, transportSocket: socket }];
  const body = Listener.encode({ ...listener, filterChains }).finish();
  fixed.commit(edit => edit.set(`server|${listenerType}`, "inbound", "1", body));
}

/**
 * The client's listener and its cluster. A connection to the server lasts for a few requests, so
 * that there always are new handshakes.
 */
export function setClient(fixed: FakeConfigSource, serverPort: number): void {
  const address = { socketAddress: { address: "127.0.0.1", portValue: serverPort } };
  const cluster = Cluster.encode({
    name: "server",
    type: Cluster_DiscoveryType.STATIC,
    connectTimeout: { seconds: 5 },
    loadAssignment: {
      clusterName: "server",
      endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }],
    },
    transportSocket: meshClientSocket("outbound_.80_._.server", [identityOf("server")], ["h2"]),
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(HttpProtocolOptions, {
        explicitHttpConfig: { http2ProtocolOptions: {} },
        commonHttpProtocolOptions: { maxRequestsPerConnection: 3 },
      }),
    },
  }).finish();
  const listener = httpListener("outbound", { route: { cluster: "server" } });
  const body = Listener.encode(listener).finish();
  fixed.commit(edit => {
    edit.set(`client|${clusterType}`, "server", "1", cluster);
    edit.set(`client|${listenerType}`, "outbound", "1", body);
  });
}

function httpListener(name: string, action: Omit<Route, "match">): Listener {
  const route: Route = { match: { prefix: "/" }, ...action };
  const typedConfig = pack(HttpConnectionManager, {
    statPrefix: name,
    routeConfig: { virtualHosts: [{ name, domains: ["*"], routes: [route] }] },
    httpFilters: [{ name: "envoy.filters.http.router", typedConfig: pack(Router, {}) }],
  });
  return {
    name,
    address: { socketAddress: { address: "127.0.0.1", portValue: 0 } },
    filterChains: [
      { filters: [{ name: "envoy.filters.network.http_connection_manager", typedConfig }] },
    ],
  };
}

export interface IdentityEnvoy {
  readonly envoy: EnvoyProcess;
  readonly firstToken: string;
  /** Puts another token into its file, as a kubelet does: by renaming. Returns it. */
  replaceToken(): string;
  stop(): Promise<void>;
}

/**
 * An Envoy that dials the control plane with the token of the pod and account `name`; `tokenLifetimeMs` is
 * the first one's.
 */
export async function startEnvoy(
  trust: Trust,
  port: number,
  name: string,
  as: string = name,
  tokenLifetimeMs?: number,
): Promise<IdentityEnvoy> {
  const directory = mkdtempSync(join(tmpdir(), "lateen-identity-"));
  const workload = { namespace: "default", serviceAccount: as, podName: as, podUid: `uid-${as}` };
  const tls = {
    serverName: SERVER_NAME,
    sdsDirectory: directory,
    rootCertFile: join(directory, ROOT_FILE),
    tokenFile: join(directory, TOKEN_FILE),
  };
  writeFileSync(tls.rootCertFile, trust.authority.roots.join(""));
  const first = issueToken(workload, trust.tokenKey, Date.now(), tokenLifetimeMs);
  writeFileSync(tls.tokenFile, first);
  for (const [file, content] of Object.entries(discoverySdsFiles(tls)))
    writeFileSync(join(directory, file), content);
  const nodeId = `sidecar~127.0.0.1~${name}.default~default.svc.cluster.local`;
  const base = adsBootstrap(nodeId, port, "delta");
  const envoy = await EnvoyProcess.start({
    ...base,
    node: {
      id: nodeId,
      cluster: `${name}.default`,
      metadata: { NAMESPACE: "default", NAME: name, SERVICE_ACCOUNT: name },
    },
    static_resources: { clusters: [discoveryCluster({ host: "127.0.0.1", port, tls })] },
  });
  return {
    envoy,
    firstToken: first,
    replaceToken() {
      const token = issueToken(workload, trust.tokenKey, Date.now(), SHORTER_MS);
      writeFileSync(`${tls.tokenFile}.next`, token);
      renameSync(`${tls.tokenFile}.next`, tls.tokenFile);
      return token;
    },
    stop: async () => {
      await envoy.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
