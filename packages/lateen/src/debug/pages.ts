/**
 * The debug pages, by name: asked over HTTP at `/debug/NAME` and over xDS (type `istio.io/debug`), as
 * Istio's (pilot/pkg/xds/debug.go). istioctl looks for some of the sentences: they are Istio's words.
 */
import type { SyncStatus } from "../base/sync-status.ts";
import type { Graph } from "../flow/types.ts";
import type { HttpAnswer } from "../net/http-server.ts";
import type { ConnectionTable } from "./connections.ts";

export interface PageSources {
  readonly connections: ConnectionTable;
  readonly graph: Graph;
  /** Why no proxy and no request should come here now; undefined: they may. */
  readonly notReady: () => string | undefined;
  /** Pods whose sidecar should be connected and is not, with the reason. */
  readonly missing: () => readonly SyncStatus[];
  /** All configuration objects that the graph holds, as JSON. */
  readonly configObjects: () => readonly unknown[];
  readonly endpoints: () => readonly unknown[];
  /** Services, as Istio's debug page has them. */
  readonly services: () => readonly unknown[];
  /** What the CA is doing, and whom else its namespaces have roots of; without any key. */
  readonly ca: () => unknown;
  /** What a proxy would be sent now; undefined when it is not connected. No secret is in it. */
  readonly configDump: (proxy: ProxyQuery) => ConfigDump | undefined;
  /** Istio's `CLUSTER_ID`. */
  readonly clusterId: string;
}

export interface ProxyQuery {
  /** `POD.NAMESPACE`, or a part of it that tells. */
  readonly proxy: string;
  /** Proxies of other namespaces are not there; undefined: all are. */
  readonly namespace: string | undefined;
}

/** Envoy's config dump, as JSON: `@type` and content of each part. */
export interface ConfigDump {
  readonly configs: readonly { readonly "@type": string }[];
  /** What edsz shows. */
  readonly endpoints: readonly unknown[];
}

export interface DebugPage {
  readonly name: string;
  /** Parameters for a person, e.g. `?proxyID=POD.NS`. */
  readonly usage: string;
  readonly help: string;
  /** `namespace`: the only one whose proxies the asker may see; undefined: all. */
  readonly answer: (query: URLSearchParams, namespace: string | undefined) => HttpAnswer;
}

export const NOT_CONNECTED =
  "Proxy not connected to this Pilot instance. It may be connected to another instance.\n";
const NO_PROXY_ID = "You must provide a proxyID in the query string, e.g. ?proxyID=POD.NAMESPACE\n";

const PROXY = "?proxyID=POD.NS";

export function debugPages(sources: PageSources): readonly DebugPage[] {
  const { connections, graph } = sources;
  const page = (
    name: string,
    help: string,
    answer: DebugPage["answer"],
    usage = "",
  ): DebugPage => ({ name, help, answer, usage });
  const pages: DebugPage[] = [
    page("syncz", "how far each proxy is", query => json(syncz(sources, query)), "[?missing]"),
    page("adsz", "connected proxies", () => json(adsz(connections))),
    page("connections", "streams and what they were sent", () => json(connections.connections())),
    page("configz", "configuration objects", () => json(sources.configObjects())),
    page("registryz", "services", () => json(sources.services())),
    page("endpointz", "services and their endpoints", () => json(sources.endpoints())),
    page("endpointShardz", "the same", () => json(sources.endpoints())),
    page("clusterz", "the clusters that are read", () => json(clusters(sources))),
    page("caz", "the CA: its phase, roots and contested namespaces", () => json(sources.ca())),
    page("config_dump", "what a proxy is sent", (q, ns) => dump(sources, q, ns, whole), PROXY),
    page("edsz", "endpoints that a proxy is sent", (q, ns) => dump(sources, q, ns, eds), PROXY),
    page("ecdsz", "extensions, by ECDS: none", (q, ns) => dump(sources, q, ns, none), PROXY),
    page("ndsz", "names for a proxy's DNS: none", (q, ns) => dump(sources, q, ns, none), PROXY),
    page("graphz", "the collections of the configuration graph", () => json(graph.describe())),
    page("explainz", "why a row is what it is", q => explain(graph, q), "?collection=C&key=K"),
    page("list", "names of these pages", () => json(pages.map(each => each.name).sort())),
  ];
  return pages;
}

export function text(status: number, body: string): HttpAnswer {
  return { status, body, contentType: "text/plain; charset=utf-8" };
}

function json(value: unknown): HttpAnswer {
  return { status: 200, json: value };
}

/** As Istio's those that are connected here: others may be elsewhere, and tools add up what replicas say. */
function syncz({ connections, missing }: PageSources, query: URLSearchParams): unknown {
  const namespace = query.get("namespace");
  const all = [...connections.syncz(), ...(query.has("missing") ? missing() : [])];
  return namespace === null ? all : all.filter(each => each.proxy.endsWith(`.${namespace}`));
}

function adsz(connections: ConnectionTable): unknown {
  const clients = connections.connections();
  return { totalClients: clients.length, clients };
}

/** One: the control plane reads no other cluster. */
function clusters({ clusterId, notReady }: PageSources): unknown {
  const syncStatus = notReady() === undefined ? "synced" : "syncing";
  return [{ id: clusterId, secretName: "", syncStatus }];
}

const whole = ({ configs }: ConfigDump): unknown => ({ configs });
const eds = ({ endpoints }: ConfigDump): unknown => ({ configs: endpoints });
const none = (): unknown => ({ configs: [] });

function dump(
  { configDump }: PageSources,
  query: URLSearchParams,
  namespace: string | undefined,
  shown: (dump: ConfigDump) => unknown,
): HttpAnswer {
  const proxy = query.get("proxyID") ?? "";
  if (proxy === "") return text(400, NO_PROXY_ID);
  const found = configDump({ proxy, namespace });
  return found === undefined ? text(404, NOT_CONNECTED) : json(shown(found));
}

function explain(graph: Graph, query: URLSearchParams): HttpAnswer {
  const collection = query.get("collection");
  const key = query.get("key");
  if (collection === null || key === null)
    return text(400, "add ?collection=NAME&key=KEY; /debug/graphz lists the collections\n");
  const explanation = graph.explain(collection, key);
  if (explanation !== undefined) return json(explanation);
  const message = `there is no row ${key} in ${collection}; /debug/graphz lists the collections\n`;
  return text(404, message);
}
