/** Calls an API handler of the same process, with the meaning of HTTP but without it. */
import type { HttpAnswer, HttpRequest, HttpSink } from "../../net/http-server.ts";
import {
  LineSplitter,
  type StreamReader,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";

export type LocalHandler = (request: HttpRequest) => HttpAnswer;

/** Characters that may wait for the reader before the writer is told to pause. */
const HIGH_WATER = 256 * 1024;

/** `token` as over HTTP, where the handler wants one. */
export function localTransport(handler: LocalHandler, token?: string): Transport {
  const call = (request: TransportRequest): HttpAnswer => handler(asHttp(request, token));
  return {
    // Later and not at once, as over HTTP: callers need not expect to be called back in between.
    request: async request => {
      await Promise.resolve();
      return responseOf(call(request));
    },
    stream: (request, reader) => {
      let stop = (): void => {};
      let stopped = false;
      queueMicrotask(() => {
        if (!stopped) stop = startStream(call(request), reader);
      });
      return () => {
        stopped = true;
        stop();
      };
    },
  };
}

function asHttp(request: TransportRequest, token: string | undefined): HttpRequest {
  const url = new URL(request.target, "http://localhost");
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    method: request.method,
    path: decodeURIComponent(url.pathname),
    params: {},
    query: url.searchParams,
    headers: { ...request.headers, ...authorization },
    body: Buffer.from(request.body ?? ""),
    peerAddress: "",
  };
}

function responseOf(answer: HttpAnswer): TransportResponse {
  const warning = answer.headers?.["warning"] ?? "";
  if ("json" in answer)
    return { status: answer.status, warning, body: JSON.stringify(answer.json) };
  const body = "body" in answer ? Buffer.from(answer.body).toString() : "";
  return { status: answer.status, warning, body };
}

function startStream(answer: HttpAnswer, reader: StreamReader): () => void {
  if (!("stream" in answer)) {
    reader.onEnd(responseOf(answer));
    return () => {};
  }
  const sink = new LocalSink(reader);
  reader.onOpen();
  const stop = answer.stream(sink);
  return () => {
    sink.cut();
    stop();
  };
}

class LocalSink implements HttpSink {
  readonly #reader: StreamReader;
  readonly #splitter = new LineSplitter();
  readonly #drained: (() => void)[] = [];
  #waiting = "";
  #full = false;
  #ended = false;
  #cut = false;
  #scheduled = false;

  constructor(reader: StreamReader) {
    this.#reader = reader;
  }

  write(chunk: string | Uint8Array): boolean {
    this.#waiting += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    this.#full = this.#waiting.length > HIGH_WATER;
    this.#schedule();
    return !this.#full;
  }

  onDrain(listener: () => void): void {
    this.#drained.push(listener);
  }

  end(): void {
    this.#ended = true;
    this.#schedule();
  }

  cut(): void {
    this.#cut = true;
  }

  #pass(lines: readonly string[]): void {
    if (lines.length > 0) this.#reader.onLines(lines);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    this.#scheduled = false;
    if (this.#cut) return;
    const text = this.#waiting;
    this.#waiting = "";
    if (this.#reader.onText !== undefined) this.#reader.onText(text);
    else this.#pass(this.#splitter.push(text) ?? []);
    if (this.#full) {
      this.#full = false;
      for (const listener of this.#drained) listener();
    }
    if (this.#ended && this.#waiting === "") this.#reader.onEnd(undefined);
  }
}
