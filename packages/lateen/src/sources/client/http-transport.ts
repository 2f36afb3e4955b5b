/** Requests to an API server over HTTP or HTTPS: the embedded store's or a Kubernetes one. */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import {
  LineSplitter,
  type StreamReader,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";

export interface HttpTransportOptions {
  /** `http://127.0.0.1:8001`, `https://10.0.0.1:6443`. */
  readonly server: string;
  /** Asked for each request: tokens in files are replaced while we run. */
  readonly token?: () => string;
  /** PEM of the authority that signed the server's certificate. */
  readonly ca?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  /** Name to expect in the server's certificate, where it is not the host of `server`. */
  readonly serverName?: string;
  /** Whoever answers is believed. For kubeconfigs that say so. */
  readonly insecureSkipTlsVerify?: boolean;
  /** Of every request, e.g. whom to impersonate. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

const REQUEST_TIMEOUT_MS = 60_000;
/** A watch that says nothing for this long is dead: servers send a bookmark about once a minute. */
const STREAM_IDLE_MS = 3 * 60_000;
const KEEP_ALIVE_MS = 30_000;
const MAX_SOCKETS = 16;
const MAX_BODY = 256 * 1024 * 1024;

/** A transport with connections of its own; `close` ends those that are idle. */
export function httpTransport(options: HttpTransportOptions): Transport & { close(): void } {
  const connections = openConnections(options);
  return {
    request: async request => {
      // The server may close an idle connection at the moment when we use it again. Whether it read
      // the request before is not known, so what may not happen twice is not tried twice.
      const tries = request.method === "POST" ? 0 : MAX_SOCKETS;
      let last = await attempt(options, connections, request);
      for (let i = 0; i < tries && last.wasClosed; i++)
        last = await attempt(options, connections, request);
      return last.response;
    },
    stream: (request, reader) => {
      // A log may be silent for as long as it likes; watches have bookmarks.
      const idleMs = reader.onText === undefined ? STREAM_IDLE_MS : 0;
      const outgoing = connections.start(request, idleMs, connections.streams);
      const end = once(reader);
      outgoing.on("error", error => end(unreachable(options.server, error)));
      outgoing.on("response", response => readStream(response, reader, end));
      outgoing.end(request.body);
      return () => {
        end.silence();
        outgoing.destroy();
      };
    },
    close: () => {
      connections.requests.destroy();
      connections.streams.destroy();
    },
  };
}

interface Connections {
  /** A pool. */
  readonly requests: HttpAgent;
  /** Watches hold their connections, so they do not come out of the pool. */
  readonly streams: HttpAgent;
  start(request: TransportRequest, timeout: number, from: HttpAgent): ClientRequest;
}

function openConnections(options: HttpTransportOptions): Connections {
  const url = new URL(options.server);
  const secure = url.protocol === "https:";
  const pool = { keepAlive: true, maxSockets: MAX_SOCKETS, keepAliveMsecs: KEEP_ALIVE_MS };
  const tls = {
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(options.clientCertificate === undefined ? {} : { cert: options.clientCertificate }),
    ...(options.clientKey === undefined ? {} : { key: options.clientKey }),
    ...(options.serverName === undefined ? {} : { servername: options.serverName }),
    ...(options.insecureSkipTlsVerify === true ? { rejectUnauthorized: false } : {}),
  };
  const requests = secure ? new HttpsAgent({ ...pool, ...tls }) : new HttpAgent(pool);
  const streams = secure ? new HttpsAgent(tls) : new HttpAgent();
  const send = secure ? httpsRequest : httpRequest;
  const start: Connections["start"] = (request, timeout, from) => {
    const base = url.pathname.replace(/\/$/, "");
    const token = options.token?.() ?? "";
    const outgoing = send({
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      method: request.method,
      path: `${base}${request.target}`,
      headers: {
        // What it writes is put down to this name (managedFields).
        "user-agent": "lateen",
        ...options.headers,
        ...request.headers,
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(request.body === undefined
          ? {}
          : { "content-length": Buffer.byteLength(request.body) }),
      },
      agent: from,
      timeout,
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${timeout} ms`)));
    outgoing.on("socket", socket => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    return outgoing;
  };
  return { requests, streams, start };
}

interface Attempt {
  readonly response: TransportResponse;
  /** The connection had been used before and was gone. */
  readonly wasClosed: boolean;
}

function attempt(
  options: HttpTransportOptions,
  connections: Connections,
  request: TransportRequest,
): Promise<Attempt> {
  return new Promise(done => {
    const outgoing = connections.start(request, REQUEST_TIMEOUT_MS, connections.requests);
    outgoing.on("error", error => {
      const wasClosed = outgoing.reusedSocket && "code" in error && error.code === "ECONNRESET";
      done({ response: unreachable(options.server, error), wasClosed });
    });
    outgoing.on("response", response => {
      void readBody(response).then(body =>
        done({ response: body ?? cut(options.server), wasClosed: false }),
      );
    });
    outgoing.end(request.body);
  });
}

interface End {
  (refused: TransportResponse | undefined): void;
  readonly isOver: () => boolean;
  /** Nobody wants to hear of it any more. */
  readonly silence: () => void;
}

function once(reader: StreamReader): End {
  let over = false;
  const end = (refused: TransportResponse | undefined): void => {
    if (over) return;
    over = true;
    reader.onEnd(refused);
  };
  const silence = (): void => {
    over = true;
  };
  return Object.assign(end, { isOver: () => over, silence });
}

function readStream(response: IncomingMessage, reader: StreamReader, end: End): void {
  response.on("error", () => end(undefined));
  if (response.statusCode !== 200) {
    void readBody(response).then(body => end(body));
    return;
  }
  const splitter = new LineSplitter();
  response.setEncoding("utf8");
  reader.onOpen();
  response.on("data", (text: string) => {
    if (end.isOver()) return;
    if (reader.onText !== undefined) return reader.onText(text);
    const lines = splitter.push(text);
    if (lines === undefined) response.destroy();
    else if (lines.length > 0) reader.onLines(lines);
  });
  response.on("close", () => end(undefined));
}

/** undefined: the connection broke, or the body is beyond all measure. */
async function readBody(response: IncomingMessage): Promise<TransportResponse | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      size += chunk.length;
      if (size > MAX_BODY) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  const warning = response.headers["warning"];
  return {
    status: response.statusCode ?? 0,
    warning: typeof warning === "string" ? warning : "",
    body: Buffer.concat(chunks, size).toString(),
    ...retryAfter(response.headers["retry-after"]),
  };
}

/** API servers send seconds (RFC 9110 10.2.3 also knows dates, which are taken for nothing said). */
function retryAfter(header: string | undefined): { retryAfterSeconds?: number } {
  return header !== undefined && /^\d{1,6}$/.test(header)
    ? { retryAfterSeconds: Number(header) }
    : {};
}

function unreachable(server: string, error: Error): TransportResponse {
  // Node's AggregateError of several addresses has no message of its own.
  const why = error.message === "" && "code" in error ? String(error.code) : error.message;
  return { status: 0, warning: "", body: `cannot reach the API server at ${server}: ${why}` };
}

function cut(server: string): TransportResponse {
  return { status: 0, warning: "", body: `the answer of the API server at ${server} broke off` };
}
