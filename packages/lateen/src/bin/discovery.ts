/** The control plane: sources -> graph -> streams. One process; `lateen discovery` runs it. */
import { join } from "node:path";
import type { Kind } from "../api/kind.ts";
import { authenticate } from "../authn/authenticate.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Authority } from "../ca/authority.ts";
import {
  createServerCertificate,
  type ServerCertificate,
  type ServerCertificateOptions,
} from "../ca/server-cert.ts";
import { createWorkloadCertificates } from "../ca/workload-certs.ts";
import { ConnectionTable } from "../debug/connections.ts";
import { ControlPlaneMetrics } from "../debug/metrics.ts";
import { debugRoutes } from "../debug/routes.ts";
import type { InputCollection } from "../flow/types.ts";
import { MESH_KEY } from "../model/inputs.ts";
import type { Credential, Mesh, TrustBundle, WorkloadCertificate } from "../model/types.ts";
import { AdsServer } from "../net/ads-server.ts";
import { type HttpListener, serveHttp } from "../net/http-server.ts";
import { apiSource } from "../sources/api-source.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { httpTransport } from "../sources/client/http-transport.ts";
import { filesSource } from "../sources/files/files-source.ts";
import { InputWriter, type LastGood, type ObjectDiagnostics } from "../sources/input-writer.ts";
import { KubeSource } from "../sources/kube/kube-source.ts";
import type { ObjectSource } from "../sources/source.ts";
import { openDatabase } from "../sources/store/database.ts";
import { StoredLastGood } from "../sources/store/last-good.ts";
import { createObjectStatus } from "../status/object-status.ts";
import { createSecretCells } from "../xds/resources/secrets.ts";
import { GraphConfigSource } from "./config-source.ts";
import { type DebugViews, debugViews } from "./debug-views.ts";
import { logFailures } from "./graph-failures.ts";
import { type LeaderWork, startLeaderWork, untilAnswered } from "./kube-cluster.ts";
import { debugFromLoopback } from "./local-only.ts";
import {
  defaultMesh,
  type MeshConfigPlace,
  meshConfigBinding,
  meshConfigPlace,
  SYSTEM_NAMESPACE,
  startingMesh,
} from "./mesh-config-input.ts";
import { createMeshGraph, inputBindings, type MeshGraph } from "./mesh-graph.ts";
import { releaseMemory } from "./release-memory.ts";
import { createSubscriptions } from "./subscriptions.ts";
import { noTokens, openTrust } from "./trust.ts";
import { startWebhooks } from "./webhooks.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export type DiscoverySource =
  | { readonly kind: "files"; readonly directory: string }
  | {
      readonly kind: "api";
      readonly server: string;
      readonly token: () => string;
      /** PEM; undefined: what the system trusts. */
      readonly ca: string | undefined;
    }
  | {
      /** A Kubernetes cluster, whose API server vouches for tokens. */
      readonly kind: "kube";
      readonly client: ApiClient;
      readonly systemNamespace: string;
      /** Control-plane revision; `default` for the one without a name. */
      readonly revision: string;
    };

export interface DiscoveryOptions {
  readonly source: DiscoverySource;
  /** Where there is no ConfigMap `istio`; undefined: MeshConfig's defaults. */
  readonly mesh?: Mesh | undefined;
  readonly plaintext: Endpoint | undefined;
  readonly tls: readonly Endpoint[];
  /** Debug, metrics and readiness; Istio's 8080 and 15014. */
  readonly http: readonly Endpoint[];
  /** Webhooks of a Kubernetes cluster; Istio's 15017. */
  readonly webhooks?: Endpoint | undefined;
  /** For what must outlive the process: last good rows. */
  readonly stateDir: string | undefined;
  /** Shown by `ps` as the instance. */
  readonly instance: string;
  readonly version: string;
  readonly certificateLifetimeMs: number | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

export interface RunningDiscovery {
  /** Ports in the order of the options, 0 replaced by what the kernel gave. */
  readonly plaintextPort: number | undefined;
  readonly tlsPorts: readonly number[];
  readonly httpPorts: readonly number[];
  readonly webhookPort: number | undefined;
  stop(): Promise<void>;
}

/** Rejects, with a reason for a person, when a port or the CA can not be had. */
export async function startDiscovery(options: DiscoveryOptions): Promise<RunningDiscovery> {
  const { clock, log, random } = options;
  const mesh = createMeshGraph();
  logFailures(mesh.graph, log.scope("graph"));
  const { graph, inputs } = mesh;
  const identity = declareIdentityInputs(mesh);
  const diagnostics = graph.input<ObjectDiagnostics>("diagnostics");
  const secretCells = createSecretCells(graph, identity);
  const client = clientOf(options.source);
  const cluster = options.source.kind === "kube" ? options.source : undefined;
  const place = cluster && meshConfigPlace(cluster.systemNamespace, cluster.revision);
  const status = createObjectStatus({
    graph,
    model: mesh.model,
    resources: mesh.resources,
    diagnostics,
    client,
    clock,
    random,
    log: log.scope("status"),
  });
  const base = options.mesh ?? defaultMesh();
  const kept = lastGood(options);
  const started = await firstMesh(options, client, base, kept.lastGood);
  const { trustDomain } = started;
  graph.commit({ source: "defaults" }, writer => writer.set(inputs.mesh, MESH_KEY, started));
  const trust = client && (await openTrust(options, client, trustDomain));
  const certificates =
    trust &&
    createWorkloadCertificates({
      graph,
      rows: identity.certificates,
      authority: trust.authority,
      clock,
      random,
      log: log.scope("ca"),
      ...(options.certificateLifetimeMs === undefined
        ? {}
        : { lifetimeMs: options.certificateLifetimeMs }),
    });
  if (trust !== undefined) {
    const bundle: TrustBundle = { trustDomain, roots: trust.authority.roots };
    graph.commit({ source: "ca" }, writer => writer.set(identity.bundles, trustDomain, bundle));
  }

  const meshBase = { base, trustDomain: trust && trustDomain, place };
  const bindings = [...inputBindings(inputs), meshConfigBinding(inputs.mesh, meshBase)];
  const kinds = bindings.map(binding => binding.kind);
  let leader: LeaderWork | undefined;
  const objects = objectSource(options, client, kinds, place, () => leader?.refresh());

  const connections = new ConnectionTable(() => clock.now());
  const views: DebugViews = debugViews(mesh);
  const metrics = new ControlPlaneMetrics(options.version, {
    ...views.counts,
    connected: () => connections.size,
    revision: () => graph.revision,
    ...(objects instanceof KubeSource ? { unread: () => objects.unread() } : {}),
  });
  graph.onCommit(() => metrics.observeCommit());
  const source = new GraphConfigSource({
    mesh,
    subscriptions: createSubscriptions(mesh.resources, secretCells),
    connections,
    metrics,
    certificates,
    rejections: status.rejections,
    now: () => clock.now(),
    onPodGone: podUid => trust?.tokens.forgetPod?.(podUid),
  });
  if (cluster !== undefined) status.setLeader(false);
  const writer = new InputWriter({
    graph,
    source: status.watch(objects),
    bindings,
    diagnostics,
    clock,
    log: log.scope("source"),
    onSynced: () => {
      log.info("configuration read", { revision: graph.revision });
      // Later, as whoever calls this still holds all that was read.
      setImmediate(() => {
        releaseMemory();
        source.markReady();
      });
      status.start();
    },
    ...kept,
  });
  writer.start();
  leader =
    cluster &&
    startLeaderWork({
      client: cluster.client,
      namespace: cluster.systemNamespace,
      identity: options.instance,
      roots: trust?.authority.roots ?? [],
      accepts: namespace => !(objects instanceof KubeSource) || objects.accepts(namespace),
      clock,
      random,
      log,
      onLeader: leads => status.setLeader(leads),
    });

  const ads = new AdsServer({
    source,
    authenticate: credentials =>
      authenticate(credentials, {
        tokens: trust?.tokens ?? noTokens,
        trustDomain,
      }),
    clock,
    log: log.scope("ads"),
    ...(cluster === undefined ? {} : { serverLimits: { streamAgeMaxMs: CLUSTER_STREAM_AGE_MS } }),
    controlPlane: JSON.stringify({
      Component: "istiod",
      ID: options.instance,
      Info: { version: options.version },
    }),
  });
  const certificate = trust && serverCertificate(options, trust.authority);
  const ports = await listen(options, ads, trust?.authority, certificate);
  const webhooks =
    options.webhooks && cluster && certificate
      ? await startWebhooks({
          endpoint: options.webhooks,
          client: cluster.client,
          namespace: cluster.systemNamespace,
          revision: cluster.revision,
          version: options.version,
          certificate,
          roots: trust?.authority.roots ?? [],
          clock,
          random,
          log,
          onReview: outcome => metrics.observeReview(outcome),
        })
      : undefined;
  const listeners = await serveDebug(
    options,
    debugRoutes({
      version: options.version,
      instance: options.instance,
      connections,
      metrics,
      graph,
      ready: () => source.ready,
      missing: () => views.missing(source.connectedPods()),
      configObjects: views.configObjects,
      endpoints: views.endpoints,
      configDump: proxy => views.configDump(source.classOf(proxy)),
    }),
  );
  log.info("control plane is up", { plaintext: ports.plaintext, tls: ports.tls.join(",") });
  return {
    plaintextPort: ports.plaintext,
    tlsPorts: ports.tls,
    httpPorts: listeners.map(listener => listener.port),
    webhookPort: webhooks?.port,
    async stop() {
      writer.stop();
      await webhooks?.stop();
      await leader?.stop();
      status.stop();
      certificates?.dispose();
      certificate?.dispose();
      await Promise.all([ads.close(500), ...listeners.map(listener => listener.close(500))]);
    },
  };
}

interface IdentityInputs {
  readonly certificates: InputCollection<WorkloadCertificate>;
  readonly bundles: InputCollection<TrustBundle>;
  readonly credentials: InputCollection<Credential>;
}

function declareIdentityInputs({ graph, inputs }: MeshGraph): IdentityInputs {
  return {
    certificates: graph.input("workload certificates"),
    bundles: graph.input("trust bundles"),
    credentials: inputs.credentials,
  };
}

/** Istio's `--keepaliveMaxServerConnectionAge`: a proxy shows its credential again after this. */
const CLUSTER_STREAM_AGE_MS = 30 * 60_000;

function clientOf(source: DiscoverySource): ApiClient | undefined {
  if (source.kind === "kube") return source.client;
  if (source.kind === "files") return undefined;
  const { server, token, ca } = source;
  return new ApiClient(httpTransport({ server, token, ...(ca === undefined ? {} : { ca }) }));
}

function objectSource(
  options: DiscoveryOptions,
  client: ApiClient | undefined,
  kinds: readonly Kind[],
  place: MeshConfigPlace | undefined,
  onViewChanged: () => void,
): ObjectSource {
  const { clock, log, random, source } = options;
  if (source.kind === "kube" && place !== undefined) {
    const common = { kinds, clock, random, log: log.scope("watch"), client: source.client };
    return new KubeSource({ name: "Kubernetes", meshConfig: place, onViewChanged, ...common });
  }
  if (source.kind === "files" || client === undefined) {
    const directory = source.kind === "files" ? source.directory : "";
    return filesSource({ directory, kinds, clock, log: log.scope("files") });
  }
  const name = "configuration API";
  return apiSource({ name, client, kinds, clock, random, log: log.scope("watch") });
}

function lastGood(options: DiscoveryOptions): { lastGood?: LastGood } {
  if (options.stateDir === undefined) return {};
  const database = openDatabase(join(options.stateDir, "control-plane.db"));
  if (!database.ok) throw new Error(database.diagnostics.map(each => each.message).join("; "));
  return { lastGood: new StoredLastGood(database.value, options.log.scope("store")) };
}

/** What holds until the source has told of the mesh configuration. */
function firstMesh(
  { source, clock, log }: DiscoveryOptions,
  client: ApiClient | undefined,
  base: Mesh,
  kept: LastGood | undefined,
): Promise<Mesh> {
  if (client === undefined) return Promise.resolve(base);
  if (source.kind !== "kube") return startingMesh(client, base, kept);
  const place = meshConfigPlace(source.systemNamespace, source.revision);
  return untilAnswered("mesh configuration", clock, log, () =>
    startingMesh(client, base, kept, place),
  );
}

interface Listening {
  readonly plaintext: number | undefined;
  readonly tls: readonly number[];
}

async function listen(
  options: DiscoveryOptions,
  ads: AdsServer,
  authority: Authority | undefined,
  certificate: ServerCertificate | undefined,
): Promise<Listening> {
  const plaintext = options.plaintext && (await ads.listenPlaintext(options.plaintext));
  if (options.tls.length === 0 || authority === undefined || certificate === undefined)
    return { plaintext, tls: [] };
  const use = (current: ReturnType<typeof certificate.current>): void =>
    ads.setTls({
      certificateChain: current.certificatePem,
      privateKey: current.privateKeyPem,
      clientRoots: authority.roots,
    });
  use(certificate.current());
  certificate.onRenewed(use);
  const tls: number[] = [];
  for (const endpoint of options.tls) tls.push(await ads.listenTls(endpoint));
  return { plaintext, tls };
}

/** One for proxies and webhooks. */
function serverCertificate(options: DiscoveryOptions, authority: Authority): ServerCertificate {
  return createServerCertificate({
    authority,
    clock: options.clock,
    log: options.log.scope("ca"),
    ...serverNames(options),
  });
}

/** In a cluster proxies dial the Service; elsewhere the addresses. */
function serverNames({
  source,
  tls,
}: DiscoveryOptions): Pick<ServerCertificateOptions, "namespace" | "names"> {
  if (source.kind !== "kube")
    return { namespace: SYSTEM_NAMESPACE, names: { ipAddresses: tls.map(each => each.host) } };
  const { systemNamespace: namespace, revision } = source;
  const services = revision === "default" ? [] : [`istiod-${revision}`];
  return {
    namespace,
    names: { dnsNames: services.flatMap(name => serviceDnsNames(name, namespace)) },
  };
}

function serviceDnsNames(service: string, namespace: string): string[] {
  return [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`];
}

function serveDebug(
  options: DiscoveryOptions,
  routes: ReturnType<typeof debugRoutes>,
): Promise<HttpListener[]> {
  const log = options.log.scope("http");
  const served = options.source.kind === "kube" ? debugFromLoopback(routes) : routes;
  return Promise.all(options.http.map(endpoint => serveHttp({ routes: served, log }, endpoint)));
}
