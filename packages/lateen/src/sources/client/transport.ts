/** How requests reach an API server: over HTTP, or directly in the same process. */

export interface TransportRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface TransportResponse {
  /** 0: there was no answer; `body` then says why. */
  readonly status: number;
  /** The `Warning` header as it came, or "". */
  readonly warning: string;
  readonly body: string;
  /** The `Retry-After` header, where the server asks for patience. */
  readonly retryAfterSeconds?: number;
}

export interface StreamReader {
  /** Called once, before any line, with a status of 200. */
  onOpen(): void;
  /** Complete lines, all that were there at the moment. */
  onLines(lines: readonly string[]): void;
  /** Takes the text as it comes in place of lines, empty and unfinished ones too; may be silent for ever. */
  readonly onText?: (text: string) => void;
  /** Called once, last. With a response where the server refused the request or was not there. */
  onEnd(refused: TransportResponse | undefined): void;
}

export interface Transport {
  /** Never rejects. */
  request(request: TransportRequest): Promise<TransportResponse>;
  /** Starts reading lines; the returned function stops it, after which nothing is called. */
  stream(request: TransportRequest, reader: StreamReader): () => void;
}

/** An event holds one object, and an object is at most 1.5 MiB in the embedded store and in etcd. */
const MAX_LINE = 16 * 1024 * 1024;

/** Cuts a stream of text into lines. */
export class LineSplitter {
  #rest = "";

  /** Complete lines; undefined when one is longer than any event may be. */
  push(text: string): string[] | undefined {
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop() ?? "";
    if (this.#rest.length > MAX_LINE) return undefined;
    return parts.filter(line => line !== "");
  }
}
