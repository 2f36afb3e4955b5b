/**
 * A small HTTP server for the debug, metrics and configuration APIs: routes as data, a body limit,
 * errors as JSON, streams with back-pressure (for watches). Not for xDS: see ads-server.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { assert } from "../base/assert.ts";
import { LimitedLog } from "../base/limited-log.ts";
import type { Log } from "../base/log.ts";
import { cleanPath } from "./clean-path.ts";
import { systemClock } from "./clock.ts";

export interface HttpRequest {
  readonly method: string;
  /** Decoded path without the query. */
  readonly path: string;
  /** `:name` and `*name` parts of the route's pattern, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The whole body, at most `bodyLimitBytes`. Empty when there was none. */
  readonly body: Uint8Array;
  readonly peerAddress: string;
}

/** Where a streamed answer goes. `write` returns false when the reader is slow: wait for drain. */
export interface HttpSink {
  write(chunk: string | Uint8Array): boolean;
  onDrain(listener: () => void): void;
  end(): void;
}

export type HttpAnswer =
  | { readonly status: number; readonly json: unknown; readonly headers?: HttpHeaders }
  | {
      readonly status: number;
      readonly body: string | Uint8Array;
      readonly contentType: string;
      readonly headers?: HttpHeaders;
    }
  | {
      readonly status: number;
      readonly contentType: string;
      readonly headers?: HttpHeaders;
      /** Starts the stream; the returned function is called once when it is over for any reason. */
      readonly stream: (sink: HttpSink) => () => void;
    };
export type HttpHeaders = Readonly<Record<string, string>>;

export interface HttpRoute {
  /** `GET`, `POST`, ... or `*` for every method. HEAD is answered by the GET route. */
  readonly method: string;
  /** `/debug/syncz`, `/api/v1/namespaces/:namespace/pods/:name`, `/apis/*rest`. */
  readonly pattern: string;
  readonly handle: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
}

/** A connection that asks for another protocol than HTTP; whoever takes it owns the socket. */
export interface HttpUpgrade {
  readonly incoming: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

export interface HttpServerOptions {
  /** Takes the connection and resolves to undefined, or says why not. Default: all are refused. */
  readonly upgrade?: (
    request: HttpRequest,
    upgrade: HttpUpgrade,
  ) => Promise<HttpAnswer | undefined>;
  /** The first route that matches answers. */
  readonly routes: readonly HttpRoute[];
  readonly log: Log;
  /** Default 4 MiB; a longer body is answered 413. */
  readonly bodyLimitBytes?: number;
  /** Open connections; more are closed at once. Default 1024. */
  readonly connectionsMax?: number;
  /** A connection without a request is closed after about this. Default 5 s. */
  readonly idleMs?: number;
  /** The JSON of an error answer, so that an API can keep its own form (Kubernetes' Status). */
  readonly errorBody?: (status: number, message: string) => unknown;
  /** HTTPS with this certificate and key (PEM); otherwise HTTP. */
  readonly tls?: HttpTls;
}

/** PEM. */
export interface HttpTls {
  readonly cert: string;
  readonly key: string;
}

export interface HttpListener {
  readonly host: string;
  readonly port: number;
  /** New connections use this certificate; only for a listener that began with one. */
  setTls(tls: HttpTls): void;
  /** Refuses new connections, lets running requests end, then cuts what is left after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

const BODY_LIMIT_BYTES = 4 * 1024 * 1024;
const CONNECTIONS_MAX = 1024;
const IDLE_MS = 5000;

/** Listens on `host:port` (port 0: any free one). Rejects when the address can not be had. */
export async function serveHttp(
  options: HttpServerOptions,
  at: { readonly host: string; readonly port: number },
): Promise<HttpListener> {
  const routes = options.routes.map(compileRoute);
  const timeouts = {
    requestTimeout: 60_000,
    headersTimeout: 10_000,
    keepAliveTimeout: options.idleMs ?? IDLE_MS,
  };
  const server =
    options.tls === undefined
      ? createServer(timeouts)
      : createSecureServer({ ...timeouts, ...options.tls });
  server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
  });
  server.on("timeout", closeIfIdle);
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen({ host: at.host, port: at.port }, () => {
      server.off("error", fail);
      done();
    });
  });
  const address = server.address() as AddressInfo;
  const hosts = isLoopback(address.address) ? isLocalName : () => true;
  const outsiders = new LimitedLog(options.log, systemClock);
  const serving = { options, routes, hosts, outsiders };
  server.on("request", (request, response) => {
    void answer(serving, request, response);
  });
  const upgraded = new Set<Duplex>();
  if (options.upgrade !== undefined) takeUpgrades(server, serving, upgraded);
  return {
    host: address.address,
    port: address.port,
    setTls: tls => {
      assert("setSecureContext" in server, "a plain HTTP listener has no certificate to exchange");
      server.setSecureContext(tls);
    },
    close: graceMs => closeServer(server, upgraded, graceMs ?? 0),
  };
}

/**
 * When this process stood still (a large configuration, a starved CPU), timers fire before what came
 * meanwhile is read: to close then would reset a connection whose request waits to be read.
 */
function closeIfIdle(socket: Socket): void {
  const { bytesRead } = socket;
  setImmediate(() => {
    if (socket.bytesRead === bytesRead) socket.destroy();
  });
}

async function closeServer(
  server: Server,
  upgraded: ReadonlySet<Duplex>,
  graceMs: number,
): Promise<void> {
  await new Promise<void>(done => {
    const cut = setTimeout(() => {
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
    }, graceMs);
    server.close(() => {
      clearTimeout(cut);
      done();
    });
    server.closeIdleConnections();
  });
}

interface CompiledRoute {
  readonly route: HttpRoute;
  readonly expression: RegExp;
  readonly names: readonly string[];
}

function compileRoute(route: HttpRoute): CompiledRoute {
  const names: string[] = [];
  const source = route.pattern
    .split("/")
    .map(part => {
      if (part.startsWith(":")) {
        names.push(part.slice(1));
        return "([^/]+)";
      }
      if (part.startsWith("*")) {
        names.push(part.slice(1));
        return "(.*)";
      }
      return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    })
    .join("/");
  return { route, expression: new RegExp(`^${source}$`), names };
}

interface Serving {
  readonly outsiders: LimitedLog;
  readonly options: HttpServerOptions;
  readonly routes: readonly CompiledRoute[];
  /** Whether requests for this Host header are answered. */
  readonly hosts: (host: string | undefined) => boolean;
}

/**
 * What listens on loopback trusts the machine, and a browser on it may be led here by a name of a
 * stranger's that resolves to 127.0.0.1 (DNS rebinding): only addresses and localhost are answered.
 */
function isLocalName(host: string | undefined): boolean {
  if (host === undefined) return true;
  const name = host.replace(/:\d+$/, "").toLowerCase();
  const address = name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name;
  return isIP(address) !== 0 || name === "localhost" || name.endsWith(".localhost");
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1" || address.startsWith("::ffff:127.");
}

async function answer(
  serving: Serving,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { options, outsiders } = serving;
  response.on("error", () => {});
  incoming.on("error", () => {});
  try {
    const result = await dispatch(serving, incoming);
    send(response, result, incoming.method === "HEAD");
  } catch (error) {
    outsiders.error(incoming.socket.remoteAddress ?? "", "request failed", {
      method: incoming.method,
      path: incoming.url,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    if (response.headersSent) response.destroy();
    else send(response, failure(options, 500, "internal error; the log has the cause"), false);
  }
}

async function dispatch(
  { options, routes, hosts }: Serving,
  incoming: IncomingMessage,
): Promise<HttpAnswer> {
  if (!hosts(incoming.headers.host)) {
    const shown = JSON.stringify(incoming.headers.host);
    const reason = "this answers on loopback only, to 127.0.0.1, [::1] and localhost";
    return failure(options, 403, `Host ${shown} is refused: ${reason}`);
  }
  const method = incoming.method ?? "GET";
  const url = parseTarget(incoming.url ?? "/");
  if (url === undefined) return failure(options, 400, "the request target is not a valid path");
  const path = cleanPath(url.pathname);
  if (path !== url.pathname) return moved(`${path}${url.search}`);
  const found = findRoute(routes, method === "HEAD" ? "GET" : method, path);
  if (found === "path") return failure(options, 404, `there is nothing at ${url.pathname}`);
  if (found === "method")
    return failure(options, 405, `${url.pathname} does not answer to ${method}`);
  if (found === "encoding") return failure(options, 400, "the path has a bad percent encoding");
  const limit = options.bodyLimitBytes ?? BODY_LIMIT_BYTES;
  const body = await readBody(incoming, limit);
  if (body === undefined) {
    const rejected = failure(options, 413, `the body is larger than ${limit} bytes`);
    return { ...rejected, headers: { connection: "close" } };
  }
  return found.route.handle({
    method,
    path: found.path,
    params: found.params,
    query: url.searchParams,
    headers: incoming.headers,
    body,
    peerAddress: incoming.socket.remoteAddress ?? "",
  });
}

/** 307 as Go's ServeMux: the method and the body stay. */
function moved(location: string): HttpAnswer {
  const body = `the path is ${location}\n`;
  return { status: 307, body, contentType: "text/plain; charset=utf-8", headers: { location } };
}

function parseTarget(target: string): URL | undefined {
  if (!target.startsWith("/")) return undefined;
  return URL.parse(`http://host${target}`) ?? undefined;
}

/** Those that are taken outlive the server's own limits, and end with `close`'s cut. */
function takeUpgrades(server: Server, serving: Serving, upgraded: Set<Duplex>): void {
  server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => {});
    upgraded.add(socket);
    socket.once("close", () => upgraded.delete(socket));
    void upgradeAnswer(serving, { incoming, socket, head }).then(refused => {
      if (refused !== undefined) refuseUpgrade(socket, refused);
    });
  });
}

async function upgradeAnswer(
  { options, hosts, outsiders }: Serving,
  upgrade: HttpUpgrade,
): Promise<HttpAnswer | undefined> {
  const { incoming } = upgrade;
  const url = parseTarget(incoming.url ?? "/");
  if (!hosts(incoming.headers.host)) return failure(options, 403, "this host name is refused");
  const path = url && decodedPath(url);
  if (url === undefined || path === undefined || options.upgrade === undefined)
    return failure(options, 400, "the request target is not a valid path");
  const request = {
    method: incoming.method ?? "GET",
    path,
    params: {},
    query: url.searchParams,
    headers: incoming.headers,
    body: new Uint8Array(),
    peerAddress: incoming.socket.remoteAddress ?? "",
  };
  try {
    return await options.upgrade(request, upgrade);
  } catch (error) {
    outsiders.error(request.peerAddress, "an upgrade failed", { path, error: String(error) });
    return failure(options, 500, "internal error; the log has the cause");
  }
}

function decodedPath({ pathname }: URL): string | undefined {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
}

function refuseUpgrade(socket: Duplex, answer: HttpAnswer): void {
  const body =
    "json" in answer ? `${JSON.stringify(answer.json)}\n` : "body" in answer ? answer.body : "";
  socket.end(
    `HTTP/1.1 ${answer.status} Refused\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${String(body)}`,
    () => socket.destroy(),
  );
}

interface FoundRoute {
  readonly route: HttpRoute;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

function findRoute(
  routes: readonly CompiledRoute[],
  method: string,
  path: string,
): FoundRoute | "path" | "method" | "encoding" {
  let miss: "path" | "method" = "path";
  for (const { route, expression, names } of routes) {
    const match = expression.exec(path);
    if (match === null) continue;
    if (route.method !== "*" && route.method !== method) {
      miss = "method";
      continue;
    }
    try {
      const params: Record<string, string> = Object.create(null);
      for (const [i, name] of names.entries())
        params[name] = decodeURIComponent(match[i + 1] ?? "");
      return { route, path: decodeURIComponent(path), params };
    } catch {
      return "encoding";
    }
  }
  return miss;
}

async function readBody(incoming: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function failure(
  options: HttpServerOptions,
  status: number,
  message: string,
): { status: number; json: unknown } {
  return { status, json: options.errorBody?.(status, message) ?? { error: message } };
}

function send(response: ServerResponse, result: HttpAnswer, headOnly: boolean): void {
  if (response.destroyed) return;
  if ("stream" in result) {
    response.writeHead(result.status, { ...result.headers, "content-type": result.contentType });
    if (headOnly) response.end();
    else startStream(response, result.stream);
    return;
  }
  const body = "json" in result ? `${JSON.stringify(result.json)}\n` : result.body;
  const contentType = "json" in result ? "application/json" : result.contentType;
  response.writeHead(result.status, {
    ...result.headers,
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
  });
  response.end(headOnly ? undefined : body);
}

function startStream(response: ServerResponse, start: (sink: HttpSink) => () => void): void {
  response.flushHeaders();
  const stop = start({
    write: chunk => !response.destroyed && response.write(chunk),
    onDrain: listener => void response.on("drain", listener),
    end: () => void response.end(),
  });
  if (response.destroyed) stop();
  else response.once("close", stop);
}
