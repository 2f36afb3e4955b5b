/** From Envoy messages to the bytes that streams send: encoded once, for every stream. */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { type Codec, encodeMessage } from "@lateen/envoy-api/any.js";
import { Cluster } from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import { VirtualHost } from "@lateen/envoy-api/envoy/config/route/v3/route_components.js";
import { Secret } from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/secret.js";
import { assert } from "../base/assert.ts";
import { type EncodedResource, TypeUrl } from "./resource.ts";

export function encodeCluster(message: Cluster): EncodedResource {
  return encode(TypeUrl.cluster, message.name, Cluster, message);
}

export function encodeEndpoints(message: ClusterLoadAssignment): EncodedResource {
  return encode(TypeUrl.endpoint, message.clusterName, ClusterLoadAssignment, message);
}

export function encodeListener(message: Listener): EncodedResource {
  return encode(TypeUrl.listener, message.name, Listener, message);
}

export function encodeRoutes(message: RouteConfiguration): EncodedResource {
  return encode(TypeUrl.route, message.name, RouteConfiguration, message);
}

/**
 * A route configuration around virtual hosts that are encoded already: repeated fields may be put
 * together from parts, so nothing is encoded again. Hosts come before those of `frame`.
 */
export function encodeRoutesOf(
  frame: RouteConfiguration,
  hosts: readonly EncodedResource[],
): EncodedResource {
  if (hosts.length === 0) return encodeRoutes(frame);
  assert(frame.name !== undefined && frame.name !== "", "a route configuration has no name");
  const end = encodeMessage(RouteConfiguration, frame);
  // `virtual_hosts` is field 2.
  const fieldsOfHosts = hosts.map(host => lengthDelimited(FIELD_2, [host.body]));
  const version = contentVersion(Buffer.concat([end, ...hosts.map(host => utf8(host.version))]));
  return fields(TypeUrl.route, frame.name, version, Buffer.concat([...fieldsOfHosts, end]));
}

/** A virtual host sent by itself is named `<route configuration>/<virtual host's domain>`. */
export function encodeVirtualHost(resourceName: string, message: VirtualHost): EncodedResource {
  return encode(TypeUrl.virtualHost, resourceName, VirtualHost, message);
}

/** The same content under another name. */
export function renamed(resource: EncodedResource, name: string): EncodedResource {
  return fields(resource.type, name, resource.version, resource.body);
}

/** `version` comes from what the secret was made of, so that it never is a hash of a private key. */
export function encodeSecret(message: Secret, version: string): EncodedResource {
  assert(message.name !== undefined && message.name !== "", "a secret has no name");
  return fields(TypeUrl.secret, message.name, version, encodeMessage(Secret, message));
}

function encode<T>(
  type: TypeUrl,
  name: string | undefined,
  codec: Codec<T>,
  message: NoInfer<T>,
): EncodedResource {
  assert(name !== undefined && name !== "", `a resource of type ${type} has no name`);
  const body = encodeMessage(codec, message);
  return fields(type, name, contentVersion(body), body);
}

/**
 * 16 hexadecimal digits: 64 bits, and only two versions of one resource are ever compared. SHA-1 takes
 * half the time of SHA-256, and more bits than these it would not have to offer.
 */
export function contentVersion(body: Uint8Array): string {
  return hash("sha1", body, "hex").slice(0, 16);
}

/**
 * One buffer for all three, written in one go: `resource` is field 2 of Resource as `resources` is of
 * both responses, so its bytes are the state-of-the-world field as they stand.
 */
function fields(type: TypeUrl, name: string, version: string, body: Uint8Array): EncodedResource {
  const typeField = lengthDelimited(FIELD_1, [utf8(type)]);
  const bodyHeader = header(FIELD_2, body.length);
  const resourceLength = typeField.length + bodyHeader.length + body.length;
  const resourceHeader = header(FIELD_2, resourceLength);
  const versionField = lengthDelimited(FIELD_1, [utf8(version)]);
  const nameField = lengthDelimited(FIELD_3, [utf8(name)]);
  const sotwLength = resourceHeader.length + resourceLength;
  const deltaHeader = header(FIELD_2, versionField.length + sotwLength + nameField.length);
  const head = [deltaHeader, versionField, resourceHeader, typeField, bodyHeader];
  const deltaField = concatenated([...head, body, nameField]);
  const end = deltaField.length - nameField.length;
  return {
    type,
    name,
    version,
    body: deltaField.subarray(end - body.length, end),
    deltaField,
    sotwField: deltaField.subarray(end - sotwLength, end),
  };
}

const FIELD_1 = (1 << 3) | 2;
const FIELD_2 = (2 << 3) | 2;
const FIELD_3 = (3 << 3) | 2;

function utf8(text: string): Uint8Array {
  return Buffer.from(text, "utf8");
}

/** Tag, length, and the parts one after the other. */
function lengthDelimited(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([header(tag, length), ...parts]);
}

function header(tag: number, length: number): Uint8Array {
  const bytes = [tag];
  for (let rest = length; ; rest >>>= 7) {
    if (rest <= 0x7f) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** Memory of its own: a piece of Node's pool would keep the pool's other pieces for as long. */
function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const all = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
