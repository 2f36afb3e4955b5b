/** Requests to an API server over HTTP or HTTPS: the embedded store's or a Kubernetes one. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
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
}

const REQUEST_TIMEOUT_MS = 60_000;
/** A watch that says nothing for this long is dead: servers send bookmarks more often. */
const STREAM_IDLE_MS = 5 * 60_000;
const KEEP_ALIVE_MS = 30_000;
const MAX_SOCKETS = 16;
const MAX_BODY = 256 * 1024 * 1024;

/** A transport with connections of its own; `close` ends those that are idle. */
export function httpTransport(options: HttpTransportOptions): Transport & { close(): void } {
  const url = new URL(options.server);
  const secure = url.protocol === "https:";
  const pool = { keepAlive: true, maxSockets: MAX_SOCKETS, keepAliveMsecs: KEEP_ALIVE_MS };
  const tls = {
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(options.clientCertificate === undefined ? {} : { cert: options.clientCertificate }),
    ...(options.clientKey === undefined ? {} : { key: options.clientKey }),
  };
  // Watches hold their connections, so they do not come out of the pool for requests.
  const agent = secure ? new HttpsAgent({ ...pool, ...tls }) : new HttpAgent(pool);
  const streams = secure ? new HttpsAgent(tls) : new HttpAgent();
  const send = secure ? httpsRequest : httpRequest;
  const start = (request: TransportRequest, timeout: number, from: HttpAgent) => {
    const base = url.pathname.replace(/\/$/, "");
    const token = options.token?.() ?? "";
    const outgoing = send({
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      method: request.method,
      path: `${base}${request.target}`,
      headers: {
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
  return {
    request: request =>
      new Promise(done => {
        const outgoing = start(request, REQUEST_TIMEOUT_MS, agent);
        outgoing.on("error", error => done(unreachable(options.server, error)));
        outgoing.on("response", response => {
          void readBody(response).then(body => done(body ?? cut(options.server)));
        });
        outgoing.end(request.body);
      }),
    stream: (request, reader) => {
      const outgoing = start(request, STREAM_IDLE_MS, streams);
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
      agent.destroy();
      streams.destroy();
    },
  };
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
  };
}

function unreachable(server: string, error: Error): TransportResponse {
  // Node's AggregateError of several addresses has no message of its own.
  const why = error.message === "" && "code" in error ? String(error.code) : error.message;
  return { status: 0, warning: "", body: `cannot reach the API server at ${server}: ${why}` };
}

function cut(server: string): TransportResponse {
  return { status: 0, warning: "", body: `the answer of the API server at ${server} broke off` };
}
