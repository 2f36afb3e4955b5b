/**
 * The debug interface on Istio's ports 8080 and 15014 (features rows 217 and 219). Loopback only;
 * nothing here changes anything, and no answer holds a private key.
 */
import type { SyncStatus } from "../base/sync-status.ts";
import type { Graph } from "../flow/types.ts";
import type { HttpAnswer, HttpRequest, HttpRoute } from "../net/http-server.ts";
import type { ConnectionTable } from "./connections.ts";
import type { ControlPlaneMetrics } from "./metrics.ts";

export interface DebugSources {
  readonly version: string;
  readonly instance: string;
  readonly connections: ConnectionTable;
  readonly metrics: ControlPlaneMetrics;
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
  /** What a proxy would be sent now, as an Envoy config dump; undefined when it is not connected. */
  readonly configDump: (proxy: string) => unknown;
}

const json = (value: unknown, status = 200): HttpAnswer => ({ status, json: value });

export function debugRoutes(sources: DebugSources): HttpRoute[] {
  const get = (
    pattern: string,
    handle: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>,
  ): HttpRoute => ({ method: "GET", pattern, handle });
  return [
    get("/ready", () => {
      const why = sources.notReady();
      return why === undefined ? text(200, "ready\n") : text(503, `${why}\n`);
    }),
    get("/version", () => json({ version: sources.version, instance: sources.instance })),
    get("/metrics", async () => ({
      status: 200,
      body: await sources.metrics.render(),
      contentType: sources.metrics.contentType,
    })),
    get("/debug/syncz", () => json([...sources.connections.syncz(), ...sources.missing()])),
    get("/debug/adsz", () => json(adsz(sources))),
    get("/debug/connections", () => json(sources.connections.connections())),
    get("/debug/configz", () => json(sources.configObjects())),
    get("/debug/registryz", () => json(sources.services())),
    get("/debug/endpointz", () => json(sources.endpoints())),
    get("/debug/caz", () => json(sources.ca())),
    get("/debug/config_dump", request => configDump(sources, request)),
    get("/debug/graphz", () => json(sources.graph.describe())),
    get("/debug/explainz", request => explain(sources, request)),
    get("/debug", () => text(200, INDEX)),
  ];
}

const INDEX = `/debug/syncz                          how far each proxy is
/debug/adsz                           connected proxies
/debug/connections                    streams and what they were sent
/debug/configz                        configuration objects
/debug/registryz                      services
/debug/endpointz                      services and their endpoints
/debug/caz                            the CA: its phase, roots and contested namespaces
/debug/config_dump?proxyID=POD.NS     what a proxy is sent
/debug/graphz                         the collections of the configuration graph
/debug/explainz?collection=C&key=K    why a row is what it is
`;

function text(status: number, body: string): HttpAnswer {
  return { status, body, contentType: "text/plain; charset=utf-8" };
}

function adsz(sources: DebugSources): unknown {
  const clients = sources.connections.connections();
  return { totalClients: clients.length, clients };
}

function configDump(sources: DebugSources, request: HttpRequest): HttpAnswer {
  const proxy = request.query.get("proxyID");
  if (proxy === null) return text(400, "which proxy? Add ?proxyID=POD.NAMESPACE\n");
  const dump = sources.configDump(proxy);
  if (dump === undefined) return text(404, `no proxy ${proxy} is connected; see /debug/syncz\n`);
  return json(dump);
}

function explain(sources: DebugSources, request: HttpRequest): HttpAnswer {
  const collection = request.query.get("collection");
  const key = request.query.get("key");
  if (collection === null || key === null) {
    return text(400, "add ?collection=NAME&key=KEY; /debug/graphz lists the collections\n");
  }
  const explanation = sources.graph.explain(collection, key);
  if (explanation === undefined) {
    return text(
      404,
      `there is no row ${key} in ${collection}; /debug/graphz lists the collections\n`,
    );
  }
  return json(explanation);
}
