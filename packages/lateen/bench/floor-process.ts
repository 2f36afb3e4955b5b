/**
 * The floor: a server that knows nothing and sends recorded messages, the same bytes to the same
 * clients. What it needs no control plane can undercut on this machine with this client.
 */
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { DeltaDiscoveryRequest } from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { GrpcFrameReader } from "../src/net/grpc-frames.ts";

/** Framed gRPC messages, in the order in which they came. */
export interface Recording {
  /** By group of clients that get the same (their namespace), then by type. */
  readonly initial: ReadonlyMap<string, ReadonlyMap<string, readonly Uint8Array[]>>;
  /** By name of the change, then by group. */
  readonly changes: ReadonlyMap<string, ReadonlyMap<string, readonly Uint8Array[]>>;
}

type Message = { readonly given: Recording } | { readonly change: string };

const streams = new Map<ServerHttp2Stream, string>();
let recording: Recording | undefined;

process.on("message", (message: Message) => {
  if ("given" in message) listen(message.given);
  else push(message.change);
});
process.once("disconnect", () => process.exit(0));
process.once("SIGTERM", () => process.exit(0));

function listen(given: Recording): void {
  recording = given;
  const server = createServer({ maxSessionMemory: 64 });
  server.on("connection", socket => socket.setNoDelay(true));
  server.on("stream", (stream: ServerHttp2Stream) => serve(stream));
  server.listen(0, "127.0.0.1", () => {
    process.send?.({ port: (server.address() as AddressInfo).port });
  });
}

function serve(stream: ServerHttp2Stream): void {
  stream.on("error", () => {});
  stream.once("close", () => streams.delete(stream));
  stream.respond({ ":status": 200, "content-type": "application/grpc" });
  const reader = new GrpcFrameReader(() => 1 << 30);
  const answered = new Set<string>();
  stream.on("data", (chunk: Buffer) =>
    reader.push(chunk, bytes => {
      const { node, typeUrl } = DeltaDiscoveryRequest.decode(bytes);
      if (node !== undefined) streams.set(stream, String(node.metadata?.["NAMESPACE"]));
      if (typeUrl === undefined || answered.has(typeUrl)) return;
      answered.add(typeUrl);
      const group = streams.get(stream) ?? "";
      for (const each of recording?.initial.get(group)?.get(typeUrl) ?? []) stream.write(each);
    }),
  );
}

function push(change: string): void {
  const groups = recording?.changes.get(change);
  for (const [stream, group] of streams) {
    for (const each of groups?.get(group) ?? []) stream.write(each);
  }
}
