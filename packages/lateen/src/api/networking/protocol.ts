/** Names of protocols in ports (istio: pkg/config/protocol), in any case. */
import type { StringCheck } from "../schema.ts";

const PROTOCOLS = [
  "HTTP",
  "HTTP2",
  "HTTPS",
  "GRPC",
  "GRPC-WEB",
  "HTTP_PROXY",
  "TLS",
  "TCP",
  "UDP",
  "MONGO",
  "REDIS",
  "MYSQL",
  "HBONE",
  "DOUBLEHBONE",
];

/** "" stands for a protocol to be sniffed. */
export const protocolName: StringCheck = text =>
  text === "" || PROTOCOLS.includes(text.toUpperCase())
    ? undefined
    : `one of ${PROTOCOLS.slice(0, -2).join(", ")}`;

/** Protocols that begin with TLS, seen from a listener. */
export function isTlsProtocol(name: string): boolean {
  return name.toUpperCase() === "HTTPS" || name.toUpperCase() === "TLS";
}

/** Protocols whose requests name a host in a header. */
export function isHttpProtocol(name: string): boolean {
  return ["HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY"].includes(name.toUpperCase());
}
