/** A small xDS client over node:http2 for tests: sends what it is told, keeps what it gets. */

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type SecureClientSessionOptions,
} from "node:http2";
import {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { GrpcFrameReader, prefixed } from "../../src/net/grpc-frames.ts";

const service = "/envoy.service.discovery.v3.AggregatedDiscoveryService";
/** For a machine that does other things, too; an answer is there within milliseconds. */
const PATIENCE_MS = 30_000;

export interface ClientStatus {
  readonly code: number;
  readonly message: string;
}

export class AdsClient<Response> {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  readonly responses: Response[] = [];
  bytes = 0;
  readonly status: Promise<ClientStatus>;
  #waiting: (() => void)[] = [];

  constructor(
    url: string,
    method: string,
    decode: (bytes: Uint8Array) => Response,
    options: SecureClientSessionOptions & { headers?: Record<string, string> } = {},
  ) {
    this.session = connect(url, options);
    this.session.on("error", () => {});
    this.stream = this.session.request({
      ":method": "POST",
      ":path": `${service}/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
      ...options.headers,
    });
    const reader = new GrpcFrameReader(() => 1 << 30);
    this.stream.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      reader.push(chunk, message => {
        this.responses.push(decode(message));
        for (const wake of this.#waiting.splice(0)) wake();
      });
    });
    this.status = new Promise(done => {
      const take = (headers: Record<string, unknown>): void => {
        if (headers["grpc-status"] === undefined) return;
        const message = decodeURIComponent(String(headers["grpc-message"] ?? ""));
        done({ code: Number(headers["grpc-status"]), message });
      };
      this.stream.on("response", take);
      this.stream.on("trailers", take);
      this.stream.on("error", error => done({ code: -1, message: error.message }));
      this.stream.on("close", () => done({ code: -1, message: "closed" }));
    });
  }

  write(message: Uint8Array): void {
    this.stream.write(prefixed(message, message.length));
  }

  /** The response number `count`, counted from 1. Fails after `withinMs`. */
  async response(count: number, withinMs = PATIENCE_MS): Promise<Response> {
    const endsAt = Date.now() + withinMs;
    for (;;) {
      const found = this.responses[count - 1];
      if (found !== undefined) return found;
      const left = endsAt - Date.now();
      if (left <= 0) throw new Error(`no response ${count}, only ${this.responses.length}`);
      await new Promise<void>(done => {
        const timer = setTimeout(done, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          done();
        });
      });
    }
  }

  close(): void {
    this.session.destroy();
  }
}

type Options = SecureClientSessionOptions & { headers?: Record<string, string> };

export class DeltaClient extends AdsClient<DeltaDiscoveryResponse> {
  constructor(url: string, options?: Options) {
    super(url, "DeltaAggregatedResources", bytes => DeltaDiscoveryResponse.decode(bytes), options);
  }

  send(request: DeltaDiscoveryRequest): void {
    this.write(DeltaDiscoveryRequest.encode(request).finish());
  }

  ack(response: DeltaDiscoveryResponse): void {
    this.send({ typeUrl: response.typeUrl, responseNonce: response.nonce });
  }
}

export class SotwClient extends AdsClient<DiscoveryResponse> {
  constructor(url: string, options?: Options) {
    super(url, "StreamAggregatedResources", bytes => DiscoveryResponse.decode(bytes), options);
  }

  send(request: DiscoveryRequest): void {
    this.write(DiscoveryRequest.encode(request).finish());
  }
}
