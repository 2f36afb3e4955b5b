import { configMapKind } from "../api/config-map/kind.ts";
import { deploymentKind } from "../api/deployment/kind.ts";
import { endpointSliceKind } from "../api/endpoint-slice/kind.ts";
import type { ApiObject, Kind } from "../api/kind.ts";
import { hasLabels } from "../api/label-selector.ts";
import { nodeKind } from "../api/node/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import { secretKind } from "../api/secret/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { type BackOff, kubernetesBackOff } from "./container.ts";
import { ensureDefaults, type LocalNode, type SystemService } from "./defaults.ts";
import { Deployments } from "./deployments.ts";
import { DnsForwarder } from "./dns-forwarder.ts";
import { DnsServer } from "./dns-server.ts";
import { dnsView } from "./dns-view.ts";
import { EndpointSlices } from "./endpoint-slices.ts";
import type { GatewayName } from "./gateways.ts";
import { podPool } from "./network-plan.ts";
import { ObjectCache } from "./object-cache.ts";
import type { LocalNetwork } from "./open-network.ts";
import type { RunningPod } from "./pod.ts";
import {
  defaultTermination,
  type IssuedToken,
  type PodContext,
  type RootCertSource,
  type TerminationTimes,
  type TokenRequest,
} from "./pod-context.ts";
import { PodEvents } from "./pod-events.ts";
import { PodPath } from "./pod-files.ts";
import { Pods } from "./pods.ts";
import { SYSTEM_PATH } from "./sandbox.ts";
import { ServiceAddresses } from "./service-addresses.ts";
import { ServiceProxy } from "./service-proxy.ts";

export interface RuntimeOptions {
  readonly client: ApiClient;
  readonly network: LocalNetwork;
  /** Records, logs of containers. */
  readonly stateDir: string;
  /** Path of the Envoy that pods run; see findEnvoy. */
  readonly envoy: string;
  /** DNS name in the control plane's certificate. */
  readonly discoveryServerName: string;
  /** e.g. `cluster.local`. */
  readonly domain: string;
  readonly rootCert: RootCertSource;
  issueToken(request: TokenRequest): Promise<IssuedToken>;
  readonly log: Log;
  readonly clock: Clock;
  /** Of Lateen, which stands in for the kubelet. */
  readonly version: string;
  /** The folder of Lateen itself: `$(LATEEN_ROOT)` in containers. */
  readonly home: string;
  /** Folders of the machine that pods see empty: what the mesh keeps, `stateDir` at least. */
  readonly hidden: readonly string[];
  readonly nodes?: readonly LocalNode[];
  readonly services?: readonly SystemService[];
  readonly gateways?: readonly GatewayName[];
  readonly backOff?: BackOff;
  readonly termination?: TerminationTimes;
  readonly forwarder?: DnsForwarder;
}

export interface Runtime {
  /** A pod that is running here. */
  pod(namespace: string, name: string): RunningPod | undefined;
  /** Ends pods and controllers; the network stays, as it was before. */
  stop(): Promise<void>;
}

/** How long `stop` leaves to applications before it ends them. */
const STOP_GRACE_MS = 2_000;
const DNS_PORT = 53;

const defaultNodes: readonly LocalNode[] = [{ name: "node-1", region: "local", zone: "local-1" }];

/**
 * Runs what the store declares on this machine: Deployments as pods, pods as processes in namespaces
 * with an Envoy each, Services as rules and names. Resolves when all of that is being worked on.
 */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const begun = begin(options);
  try {
    await start(options, begun);
  } catch (error) {
    await end(begun);
    throw error;
  }
  return {
    pod: (namespace, name) => begun.running?.get(namespace, name),
    stop: () => end(begun),
  };
}

/** What has been begun so far. */
interface Begun {
  readonly caches: Caches;
  readonly events: PodEvents;
  readonly controllers: { stop(): Promise<void> }[];
  running?: Pods;
  dns?: DnsServer;
}

function begin(options: RuntimeOptions): Begun {
  const events = new PodEvents({
    client: options.client,
    clock: options.clock,
    log: options.log.scope("local"),
    host: nodesOf(options)[0]?.name ?? "",
  });
  return { caches: openCaches(options), events, controllers: [] };
}

/** Pods need Events and names until they are gone. */
async function end({ caches, controllers, running, events, dns }: Begun): Promise<void> {
  for (const cache of caches.all) cache.stop();
  await Promise.all(controllers.map(controller => controller.stop()));
  await running?.stop(STOP_GRACE_MS);
  await events.stop();
  await dns?.close();
}

function nodesOf(options: RuntimeOptions): readonly LocalNode[] {
  return options.nodes ?? defaultNodes;
}

async function start(options: RuntimeOptions, begun: Begun): Promise<void> {
  const { caches, events, controllers } = begun;
  const nodes = nodesOf(options);
  const context = podContext(options, caches, events);
  await ensureDefaults({
    client: options.client,
    plan: options.network.node.plan,
    version: options.version,
    nodes,
    services: options.services ?? [],
    gateways: options.gateways ?? [],
  });
  await Promise.all(caches.all.map(cache => cache.start()));
  const { client, clock } = options;
  const log = options.log.scope("local");
  const { services, slices, pods, deployments } = caches;
  const dns = new DnsServer({
    view: dnsView(options.domain, services, slices, pods),
    forwarder: options.forwarder ?? new DnsForwarder(),
    log,
  });
  await dns.listen(options.network.hostAddress, DNS_PORT);
  begun.dns = dns;
  const zones = new Map(nodes.map(node => [node.name, node.zone]));
  const zoneOf = (name: string): string | undefined => zones.get(name);
  const running = new Pods({ client, pods, context, nodeFor: pod => nodeFor(pod, caches, nodes) });
  begun.running = running;
  await running.start();
  // Controllers decide on complete caches only, so they begin when all of them are.
  const shared = { client, clock, log };
  controllers.push(
    new ServiceAddresses({ ...shared, services, plan: context.node.plan }),
    new EndpointSlices({ ...shared, services, pods, slices, zoneOf }),
    new ServiceProxy({ node: context.node, services, slices, clock, log }),
    new Deployments({ ...shared, deployments, pods, events }),
  );
}

function openCaches({ client, clock, log }: RuntimeOptions) {
  const all: { start(): Promise<void>; stop(): void }[] = [];
  const open = <T extends ApiObject>(kind: Kind<T>): ObjectCache<T> => {
    const cache = new ObjectCache({ client, kind, clock, log });
    all.push(cache);
    return cache;
  };
  return {
    pods: open(podKind),
    deployments: open(deploymentKind),
    services: open(serviceKind),
    slices: open(endpointSliceKind),
    nodes: open(nodeKind),
    configMaps: open(configMapKind),
    secrets: open(secretKind),
    all,
  };
}

type Caches = ReturnType<typeof openCaches>;

function podContext(options: RuntimeOptions, caches: Caches, events: PodEvents): PodContext {
  const { network, home } = options;
  return {
    record: network.record,
    node: network.node,
    addresses: podPool(network.node.plan),
    clock: options.clock,
    log: options.log.scope("pod"),
    stateDir: options.stateDir,
    envoy: options.envoy,
    discoveryServerName: options.discoveryServerName,
    domain: options.domain,
    baseEnv: { PATH: `${PodPath.programs}:${SYSTEM_PATH}`, HOME: "/root", LATEEN_ROOT: home },
    home,
    hidden: options.hidden,
    events,
    backOff: options.backOff ?? kubernetesBackOff,
    termination: options.termination ?? defaultTermination,
    rootCert: options.rootCert,
    issueToken: request => options.issueToken(request),
    data: (kind, namespace, name) =>
      kind === "ConfigMap"
        ? caches.configMaps.get(namespace, name)?.data
        : decoded(caches.secrets.get(namespace, name)?.data),
  };
}

function decoded(
  data: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  if (data === undefined) return undefined;
  const entries = Object.entries(data).map(([key, value]) => [
    key,
    Buffer.from(value, "base64").toString("utf8"),
  ]);
  return Object.fromEntries(entries);
}

/** The node that the pod's nodeSelector names; where it names none that is there, the first. */
function nodeFor(pod: Pod, caches: Caches, nodes: readonly LocalNode[]): string {
  const wanted = pod.spec.nodeSelector ?? {};
  const found = nodes.find(node =>
    hasLabels(wanted, caches.nodes.get("", node.name)?.metadata.labels ?? {}),
  );
  return (found ?? nodes[0])?.name ?? "node-1";
}
