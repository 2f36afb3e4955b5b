/** What a control plane answers: streams, webhooks, and questions about itself. */
import { X509Certificate } from "node:crypto";
import { authenticate } from "../authn/authenticate.ts";
import type { Clock } from "../base/clock.ts";
import type { LiveAuthority } from "../ca/live-authority.ts";
import {
  createServerCertificate,
  type ServerCertificate,
  type ServerCertificateOptions,
} from "../ca/server-cert.ts";
import type { WorkloadCertificates } from "../ca/workload-certs.ts";
import type { CaSources } from "../debug/ca-metrics.ts";
import { ConnectionTable } from "../debug/connections.ts";
import { controlzRoutes } from "../debug/controlz.ts";
import { ControlPlaneMetrics } from "../debug/metrics.ts";
import { debugPages, type ProxyQuery } from "../debug/pages.ts";
import { debugRoutes } from "../debug/routes.ts";
import { AdsServer } from "../net/ads-server.ts";
import { type HttpListener, serveHttp } from "../net/http-server.ts";
import { Refusals } from "../net/refusals.ts";
import { GraphConfigSource } from "./config-source.ts";
import { debugAnswers } from "./debug-answers.ts";
import { debugViews } from "./debug-views.ts";
import type { Declared, Identity } from "./discovery.ts";
import type { DiscoveryOptions } from "./discovery-options.ts";
import type { Reading } from "./discovery-reading.ts";
import { debugFromLoopback } from "./local-only.ts";
import { SYSTEM_NAMESPACE } from "./mesh-config-input.ts";
import { createSubscriptions } from "./subscriptions.ts";
import { noTokens } from "./trust.ts";
import { type RunningWebhooks, startWebhooks } from "./webhooks.ts";

/** Istio's `--keepaliveMaxServerConnectionAge`: a proxy shows its credential again after this. */
const CLUSTER_STREAM_AGE_MS = 30 * 60_000;

const CONTROLZ_BODY_BYTES = 16 * 1024;

export interface Front {
  readonly connections: ConnectionTable;
  readonly refusals: Refusals;
  /** From now on `/ready` says no. */
  leave(): void;
  readonly source: GraphConfigSource;
  readonly metrics: ControlPlaneMetrics;
  readonly routes: ReturnType<typeof debugRoutes>;
}

/** Everything that answers, before anything listens. */
export function createFront(
  { clock, version, instance, log, source: from, clusterId = "Kubernetes" }: DiscoveryOptions,
  { mesh, secretCells, status }: Declared,
  { trust, certificates }: Identity,
  { unread, contested }: Pick<Reading, "unread" | "contested">,
): Front {
  const { graph } = mesh;
  const connections = new ConnectionTable(() => clock.now());
  const refusals = new Refusals(() => clock.monotonic());
  const views = debugViews(mesh);
  const metrics = new ControlPlaneMetrics(version, {
    ...views.counts,
    connected: () => connections.size,
    revision: () => graph.revision,
    now: () => clock.monotonic(),
    ...(unread === undefined ? {} : { unread }),
    ...(trust === undefined || certificates === undefined
      ? {}
      : { ca: caSources(trust.authority, certificates, clock, () => contested().size) }),
  });
  graph.onCommit(({ revision }) => metrics.observeCommit(revision));
  graph.onFailure(() => metrics.observeFailure());
  const source = new GraphConfigSource({
    mesh,
    subscriptions: createSubscriptions(mesh.resources, secretCells),
    connections,
    metrics,
    certificates,
    rejections: status.rejections,
    clock,
    log: log.scope("ads"),
    onPodGone: podUid => trust?.tokens.forgetPod?.(podUid),
    debug: (question, peer) => answerDebug(question, peer),
  });
  let leaving = false;
  const notReady = (): string | undefined => {
    if (leaving) return "shutting down";
    return source.ready ? undefined : "configuration not read yet";
  };
  const configDump = (proxy: ProxyQuery) => views.configDump(source.classOf(proxy));
  const pages = debugPages({
    connections,
    graph,
    notReady,
    missing: () =>
      views.missing({
        connected: source.connectedPods(),
        revision: from.kind === "kube" ? from.revision : undefined,
        refused: pod => refusals.reason(pod),
      }),
    configObjects: views.configObjects,
    endpoints: views.endpoints,
    services: views.services,
    ca: () => caView(trust?.authority, contested()),
    configDump,
    clusterId,
  });
  const systemNamespace = from.kind === "kube" ? from.systemNamespace : SYSTEM_NAMESPACE;
  const answerDebug = debugAnswers({ pages, connections, configDump, systemNamespace, clock });
  const routes = debugRoutes({ version, instance, metrics, notReady }, pages);
  const leave = (): void => {
    leaving = true;
  };
  return { leave, connections, refusals, source, metrics, routes };
}

function caSources(
  authority: LiveAuthority,
  certificates: WorkloadCertificates,
  clock: Clock,
  contested: () => number,
): CaSources {
  return {
    contested,
    rootsNotAfter: () => authority.rootsNotAfter,
    chainNotAfter: () => authority.notAfter,
    phase: () => authority.state.phase,
    made: () => certificates.made,
    now: () => clock.now(),
  };
}

/** For /debug/caz. */
function caView(
  authority: LiveAuthority | undefined,
  contested: ReadonlyMap<string, string>,
): object {
  if (authority === undefined) return {};
  const roots = authority.roots.map(pem => {
    const { subject, validTo, fingerprint256 } = new X509Certificate(pem);
    return { subject, validTo, sha256: fingerprint256 };
  });
  const namespaces = [...contested].map(([namespace, controlPlane]) => ({
    namespace,
    controlPlane,
  }));
  return { ...authority.state, keyId: authority.keyId, roots, contested: namespaces };
}

export interface Serving {
  readonly ports: Listening;
  readonly httpPorts: readonly number[];
  readonly webhookPort: number | undefined;
  /** Sends streams to other replicas, within this time. */
  drain(overMs: number): Promise<void>;
  stopWebhooks(): Promise<void>;
  /** Streams, and what is told about them. */
  stop(): Promise<void>;
}

/** Rejects where a port can not be had. */
export async function startServing(
  options: DiscoveryOptions,
  front: Front,
  { trust, trustDomain }: Identity,
): Promise<Serving> {
  const ads = adsServer(options, front, { trust, trustDomain });
  const certificate = trust && serverCertificate(options, trust.authority);
  const ports = await listen(options, ads, trust?.authority, certificate);
  const webhooks = await webhooksOf(options, front, trust?.authority, certificate);
  const listeners = await serveDebug(options, front.routes);
  const controlz = await serveControlz(options);
  return {
    ports,
    httpPorts: listeners.map(listener => listener.port),
    webhookPort: webhooks?.port,
    drain: overMs => ads.drain(overMs),
    stopWebhooks: async () => webhooks?.stop(),
    async stop() {
      certificate?.dispose();
      const others = [...listeners, ...controlz].map(listener => listener.close(500));
      await Promise.all([ads.close(500), ...others]);
    },
  };
}

function adsServer(
  options: DiscoveryOptions,
  { source, metrics, refusals }: Front,
  { trust, trustDomain }: Pick<Identity, "trust" | "trustDomain">,
): AdsServer {
  const { clock, log, instance, version } = options;
  const inCluster = options.source.kind === "kube";
  const streamAgeMaxMs = options.streamAgeMaxMs ?? (inCluster ? CLUSTER_STREAM_AGE_MS : undefined);
  return new AdsServer({
    source,
    authenticate: async credentials => {
      const options = { tokens: trust?.tokens ?? noTokens, trustDomain };
      const answer = await authenticate(credentials, options);
      if ("refused" in answer) metrics.observeAuthenticationFailure();
      return answer;
    },
    onRefused: (who, why) => refusals.note(who, why),
    clock,
    log: log.scope("ads"),
    ...(streamAgeMaxMs === undefined ? {} : { serverLimits: { streamAgeMaxMs } }),
    controlPlane: JSON.stringify({ Component: "istiod", ID: instance, Info: { version } }),
  });
}

async function webhooksOf(
  { webhooks: endpoint, source, version, clock, random, log }: DiscoveryOptions,
  { metrics }: Front,
  authority: LiveAuthority | undefined,
  certificate: ServerCertificate | undefined,
): Promise<RunningWebhooks | undefined> {
  if (endpoint === undefined || source.kind !== "kube") return undefined;
  if (certificate === undefined || authority === undefined) return undefined;
  return startWebhooks({
    endpoint,
    client: source.client,
    namespace: source.systemNamespace,
    revision: source.revision,
    version,
    certificate,
    authority,
    clock,
    random,
    log,
    onReview: outcome => metrics.observeReview(outcome),
  });
}

interface Listening {
  readonly plaintext: number | undefined;
  readonly tls: readonly number[];
}

async function listen(
  options: DiscoveryOptions,
  ads: AdsServer,
  authority: LiveAuthority | undefined,
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
  authority.onChanged(() => use(certificate.current()));
  const tls: number[] = [];
  for (const endpoint of options.tls) tls.push(await ads.listenTls(endpoint));
  return { plaintext, tls };
}

/** One for proxies and webhooks. */
function serverCertificate(options: DiscoveryOptions, authority: LiveAuthority): ServerCertificate {
  const certificate = createServerCertificate({
    authority,
    clock: options.clock,
    log: options.log.scope("ca"),
    ...serverNames(options),
  });
  authority.onChanged(({ issuer }) => {
    if (issuer) certificate.renew();
  });
  return certificate;
}

/** In a cluster proxies dial the Service; elsewhere the addresses. */
export function serverNames({
  source,
  tls,
  customHosts = [],
}: Pick<DiscoveryOptions, "source" | "tls" | "customHosts">): Pick<
  ServerCertificateOptions,
  "namespace" | "names"
> {
  if (source.kind !== "kube") {
    const ipAddresses = tls.map(each => each.host);
    return { namespace: SYSTEM_NAMESPACE, names: { ipAddresses, dnsNames: customHosts } };
  }
  const { systemNamespace: namespace, revision } = source;
  const services = revision === "default" ? [] : [`istiod-${revision}`];
  const own = services.flatMap(name => serviceDnsNames(name, namespace));
  return { namespace, names: { dnsNames: [...own, ...customHosts] } };
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

/** What can not listen for this is no reason to serve no proxies (Istio's ControlZ does the same). */
async function serveControlz({ controlz, log }: DiscoveryOptions): Promise<HttpListener[]> {
  if (controlz === undefined) return [];
  const bodyLimitBytes = CONTROLZ_BODY_BYTES;
  const routes = controlzRoutes(controlz.log);
  try {
    return [await serveHttp({ routes, bodyLimitBytes, log: log.scope("http") }, controlz.at)];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.scope("http").warn("ControlZ can not listen: log levels can not be changed", { reason });
    return [];
  }
}
