/**
 * Simulated sidecars for load tests: each a delta ADS client over its own HTTP/2 connection that
 * subscribes as Envoy does (clusters, endpoints of the clusters, listeners, their routes, virtual
 * hosts), acknowledges everything, and counts.
 */

import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import {
  DeltaDiscoveryRequest,
  type DeltaDiscoveryRequest as Request,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import {
  clusterType,
  endpointType,
  listenerType,
  routeType,
  virtualHostType,
} from "../src/discovery/type-order.ts";
import { GrpcFrameReader, prefixed } from "../src/net/grpc-frames.ts";
import {
  clusterUsesEds,
  listenerRoutes,
  routeUsesVhds,
  type ScannedResource,
  scanResponse,
} from "./xds-scan.ts";

export interface SimProxyOptions {
  /** `http://127.0.0.1:15010` or `https://...:15012`. */
  readonly url: string;
  /** The xDS node: id `sidecar~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local`, metadata, ... */
  readonly node: NonNullable<Request["node"]>;
  /** PEM of the root, for https. */
  readonly rootCertificate?: string;
  /** The name that the server's certificate must have, where the URL has another. */
  readonly serverName?: string;
  /** Sent as `authorization: Bearer ...`. */
  readonly token?: string;
  /** Gets every response, framed as it came. */
  readonly onMessage?: (type: string, message: Uint8Array) => void;
  /** Keeps versions, so that `reconnect` says what the proxy has. Costs memory. */
  readonly trackVersions?: boolean;
}

export interface SimCounts {
  /** Bytes of gRPC messages received, with their prefixes. */
  bytes: number;
  responses: number;
  /** Responses that held or removed something. */
  pushes: number;
  resources: number;
  removed: number;
}

const path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
/** As generous as Envoy's, so that the client's window is not what is measured. */
const WINDOW_BYTES = 16 * 1024 * 1024;

/** Names are the same in thousands of proxies: one string each. */
class Interner {
  readonly #texts = new Map<string, string>();

  text(raw: string): string {
    const known = this.#texts.get(raw);
    if (known !== undefined) return known;
    this.#texts.set(raw, raw);
    return raw;
  }
}
const names = new Interner();

export class SimProxy {
  readonly options: SimProxyOptions;
  readonly counts: SimCounts = { bytes: 0, responses: 0, pushes: 0, resources: 0, removed: 0 };
  readonly byType = new Map<string, SimCounts>();
  /** `performance.now()` of the last push, and of the moment when nothing was missing any more. */
  lastPushAt = 0;
  configuredAt = 0;
  /** Why the stream ended, when it did. */
  ended: string | undefined;
  readonly #fleet: { onChange(): void } | undefined;
  #session: ClientHttp2Session | undefined;
  #stream: ClientHttp2Stream | undefined;
  #nodeSent = false;
  #missing = new Set<string>();
  #endpoints = new Set<string>();
  #routes = new Map<string, number>();
  #listenerRoutes = new Map<string, readonly string[]>();
  #virtualHosts = false;
  readonly #versions = new Map<string, Map<string, string>>();

  constructor(options: SimProxyOptions, fleet?: { onChange(): void }) {
    this.options = options;
    this.#fleet = fleet;
  }

  /** True while everything that was asked for has been answered at least once. */
  get configured(): boolean {
    return this.configuredAt > 0 && this.#missing.size === 0;
  }

  connect(): void {
    const { url, rootCertificate, serverName, token } = this.options;
    const session = connect(url, {
      settings: { initialWindowSize: WINDOW_BYTES },
      ...(rootCertificate === undefined ? {} : { ca: rootCertificate }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    });
    this.#session = session;
    session.on("error", error => this.#end(error.message));
    session.on("connect", () => session.setLocalWindowSize(WINDOW_BYTES));
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    });
    this.#stream = stream;
    const reader = new GrpcFrameReader(() => 1 << 30);
    stream.on("data", (chunk: Buffer) => {
      this.counts.bytes += chunk.length;
      reader.push(chunk, message =>
        this.#receive(Buffer.from(message.buffer, message.byteOffset, message.length)),
      );
    });
    const status = (headers: Record<string, unknown>): void => {
      const code = headers["grpc-status"];
      if (code !== undefined) this.#end(`grpc-status ${code}: ${headers["grpc-message"] ?? ""}`);
    };
    stream.on("response", status);
    stream.on("trailers", status);
    stream.on("error", error => this.#end(error.message));
    stream.on("close", () => this.#end("closed"));
    this.#nodeSent = false;
    this.#subscribeAll();
  }

  /** Drops the connection and comes back with what it has, as Envoy does. */
  reconnect(): void {
    this.close();
    this.ended = undefined;
    this.connect();
  }

  close(): void {
    this.#stream?.removeAllListeners("close");
    this.#session?.destroy();
  }

  #end(reason: string): void {
    this.ended ??= reason;
    this.#fleet?.onChange();
  }

  #subscribeAll(): void {
    this.#ask(clusterType, []);
    if (this.#endpoints.size > 0) this.#ask(endpointType, [...this.#endpoints]);
    this.#ask(listenerType, []);
    if (this.#routes.size > 0) this.#ask(routeType, [...this.#routes.keys()]);
    if (this.#virtualHosts) this.#ask(virtualHostType, []);
  }

  /** The first request for a type; empty names are the wildcard. */
  #ask(type: string, subscribe: string[]): void {
    const versions = this.#versions.get(type);
    const first = versions === undefined || versions.size === 0;
    if (first && subscribe.length === 0) this.#missing.add(type);
    const initialResourceVersions = first ? {} : Object.fromEntries(versions);
    this.#send({ typeUrl: type, resourceNamesSubscribe: subscribe, initialResourceVersions });
  }

  #send(request: Request): void {
    const withNode = this.#nodeSent ? request : { ...request, node: this.options.node };
    this.#nodeSent = true;
    const message = DeltaDiscoveryRequest.encode(withNode).finish();
    this.#stream?.write(prefixed(message, message.length));
  }

  #receive(bytes: Buffer): void {
    const now = performance.now();
    const text = (from: number, to: number): string =>
      names.text(bytes.toString("latin1", from, to));
    const added = { endpoints: new Set<string>(), routes: new Set<string>() };
    const gone = { endpoints: [] as string[], routes: [] as string[] };
    const response = scanResponse(bytes, text, (type, resource) =>
      this.#take(bytes, type, resource, added, gone),
    );
    const { type, nonce, removed } = response;
    this.options.onMessage?.(type, bytes);
    for (const name of removed) this.#remove(type, name, gone);
    this.#missing.delete(type);
    this.#count(type, bytes.length, response.resources, removed.length);
    if (response.resources + removed.length > 0) this.lastPushAt = now;
    // Envoy asks for what it needs before it acknowledges what needs it.
    this.#change(endpointType, added.endpoints, gone.endpoints);
    this.#change(routeType, added.routes, gone.routes);
    this.#send({ typeUrl: type, responseNonce: nonce });
    if (this.#missing.size === 0) this.configuredAt = now;
    this.#fleet?.onChange();
  }

  #take(
    bytes: Buffer,
    type: string,
    resource: ScannedResource,
    added: { endpoints: Set<string>; routes: Set<string> },
    gone: { routes: string[] },
  ): void {
    const { name, from, to } = resource;
    if (this.options.trackVersions === true) this.#versionsOf(type).set(name, resource.version);
    if (type === clusterType) {
      if (!this.#endpoints.has(name) && clusterUsesEds(bytes, from, to)) added.endpoints.add(name);
    } else if (type === listenerType) {
      const routes: string[] = [];
      listenerRoutes(bytes, from, to, (a, b) =>
        routes.push(names.text(bytes.toString("latin1", a, b))),
      );
      const before = this.#listenerRoutes.get(name) ?? [];
      this.#listenerRoutes.set(name, routes);
      for (const route of routes) if (this.#countRoute(route, 1)) added.routes.add(route);
      for (const route of before) if (this.#countRoute(route, -1)) gone.routes.push(route);
    } else {
      this.#missing.delete(`${type} ${name}`);
      if (type === routeType && !this.#virtualHosts && routeUsesVhds(bytes, from, to)) {
        this.#virtualHosts = true;
        this.#ask(virtualHostType, []);
      }
    }
  }

  #remove(type: string, name: string, gone: { endpoints: string[]; routes: string[] }): void {
    this.#versions.get(type)?.delete(name);
    this.#missing.delete(`${type} ${name}`);
    if (type === clusterType && this.#endpoints.has(name)) gone.endpoints.push(name);
    if (type !== listenerType) return;
    const routes = this.#listenerRoutes.get(name) ?? [];
    this.#listenerRoutes.delete(name);
    for (const route of routes) if (this.#countRoute(route, -1)) gone.routes.push(route);
  }

  /** Listeners share routes. True when the first one came or the last one went. */
  #countRoute(route: string, by: 1 | -1): boolean {
    const count = (this.#routes.get(route) ?? 0) + by;
    if (count > 0) this.#routes.set(route, count);
    else this.#routes.delete(route);
    return by === 1 ? count === 1 : count === 0;
  }

  #change(type: string, added: ReadonlySet<string>, gone: readonly string[]): void {
    if (added.size === 0 && gone.length === 0) return;
    for (const name of added) {
      this.#missing.add(`${type} ${name}`);
      if (type === endpointType) this.#endpoints.add(name);
    }
    for (const name of gone) {
      this.#missing.delete(`${type} ${name}`);
      if (type === endpointType) this.#endpoints.delete(name);
      this.#versions.get(type)?.delete(name);
    }
    const resourceNamesUnsubscribe = gone.filter(name => !added.has(name));
    this.#send({ typeUrl: type, resourceNamesSubscribe: [...added], resourceNamesUnsubscribe });
  }

  #versionsOf(type: string): Map<string, string> {
    let versions = this.#versions.get(type);
    if (versions === undefined) {
      versions = new Map();
      this.#versions.set(type, versions);
    }
    return versions;
  }

  #count(type: string, bytes: number, resources: number, removed: number): void {
    let own = this.byType.get(type);
    if (own === undefined) {
      own = { bytes: 0, responses: 0, pushes: 0, resources: 0, removed: 0 };
      this.byType.set(type, own);
    }
    own.bytes += bytes;
    for (const counts of [this.counts, own]) {
      counts.responses++;
      if (resources + removed > 0) counts.pushes++;
      counts.resources += resources;
      counts.removed += removed;
    }
  }
}

/** Many proxies in one process. */
export class SimFleet {
  readonly proxies: readonly SimProxy[];
  #waiting: (() => void)[] = [];

  constructor(options: readonly SimProxyOptions[]) {
    this.proxies = options.map(each => new SimProxy(each, this));
  }

  connect(): void {
    for (const proxy of this.proxies) proxy.connect();
  }

  close(): void {
    for (const proxy of this.proxies) proxy.close();
  }

  total(): SimCounts {
    const sum: SimCounts = { bytes: 0, responses: 0, pushes: 0, resources: 0, removed: 0 };
    for (const { counts } of this.proxies) {
      sum.bytes += counts.bytes;
      sum.responses += counts.responses;
      sum.pushes += counts.pushes;
      sum.resources += counts.resources;
      sum.removed += counts.removed;
    }
    return sum;
  }

  /** Resolves with the time (`performance.now()`) when the last one had all it asked for. */
  async configured(withinMs: number): Promise<number> {
    await this.until("all configured", () => this.proxies.every(p => p.configured), withinMs);
    return Math.max(...this.proxies.map(proxy => proxy.configuredAt));
  }

  /** Waits until `holds`, looked at after each response; fails when it does not in time. */
  async until(what: string, holds: () => boolean, withinMs: number): Promise<void> {
    const endsAt = performance.now() + withinMs;
    while (!holds()) {
      const ended = this.proxies.find(proxy => proxy.ended !== undefined);
      if (ended !== undefined) throw new Error(`${ended.options.node.id}: ${ended.ended}`);
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) throw new Error(`${what}: not within ${withinMs} ms`);
      await new Promise<void>(done => {
        const timer = setTimeout(done, Math.min(leftMs, 1000));
        this.#waiting.push(() => {
          clearTimeout(timer);
          done();
        });
      });
    }
  }

  /** Resolves when nothing has come for `quietMs`. */
  async quiet(quietMs: number): Promise<void> {
    let seen = -1;
    while (seen !== this.total().responses) {
      seen = this.total().responses;
      await new Promise(done => setTimeout(done, quietMs));
    }
  }

  onChange(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
