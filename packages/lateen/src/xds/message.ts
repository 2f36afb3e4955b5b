/** Small helpers for literals of Envoy messages. */
import type { Codec, PackedAny } from "@lateen/envoy-api/any.js";
import { pack } from "@lateen/envoy-api/any.js";
import type { Address } from "@lateen/envoy-api/envoy/config/core/v3/address.js";
import type { Metadata } from "@lateen/envoy-api/envoy/config/core/v3/base.js";
import {
  ApiVersion,
  type ConfigSource,
} from "@lateen/envoy-api/envoy/config/core/v3/config_source.js";
import type { Duration } from "@lateen/envoy-api/google/protobuf/duration.js";

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [k: string]: Json };

/** A named extension: `{name, typedConfig}`, as filters, loggers, sockets and the like all have. */
export interface NamedExtension {
  readonly name: string;
  readonly typedConfig: PackedAny;
}

export function extension<T>(name: string, codec: Codec<T>, message: NoInfer<T>): NamedExtension {
  return { name, typedConfig: pack(codec, message) };
}

/** A duration from milliseconds, which must be a whole number and not negative. */
export function milliseconds(value: number): Duration {
  const seconds = Math.floor(value / 1000);
  return { seconds, nanos: Math.round((value - seconds * 1000) * 1e6) };
}

export function seconds(value: number): Duration {
  return { seconds: value, nanos: 0 };
}

export function socketAddress(address: string, port: number): Address {
  return { socketAddress: { address, portValue: port } };
}

/**
 * Filter metadata with all keys in order, at any depth: maps are written in the order of their
 * keys, and bytes must not depend on who wrote the literal.
 */
export function filterMetadata(value: Readonly<Record<string, Json | undefined>>): Metadata {
  const filterMetadata: Record<string, Record<string, unknown>> = {};
  for (const key of Object.keys(value).sort()) {
    const inner = value[key];
    if (inner === undefined) continue;
    filterMetadata[key] = sortKeys(inner) as Record<string, unknown>;
  }
  return { filterMetadata };
}

function sortKeys(value: Json): Json {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  const object = value as Readonly<Record<string, Json>>;
  const sorted: Record<string, Json> = {};
  for (const key of Object.keys(object).sort()) {
    const inner = object[key];
    if (inner !== undefined) sorted[key] = sortKeys(inner);
  }
  return sorted;
}

/**
 * Configuration over the aggregated stream. Without a limit on the first fetch: with Envoy's
 * default of 15 seconds a proxy goes live with nothing when the control plane is slow or away.
 */
export const ADS: ConfigSource = {
  ads: {},
  initialFetchTimeout: seconds(0),
  resourceApiVersion: ApiVersion.V3,
};

/**
 * Endpoints are the exception. A changed cluster waits for them although nothing may be left to send:
 * if the stream broke between the two, the proxy comes back with both in the newest version. After
 * this time it takes the endpoints that it has (see docs/decisions/warming.md).
 */
export const ENDPOINTS_OVER_ADS: ConfigSource = { ...ADS, initialFetchTimeout: seconds(15) };

/** For what one user may have got wrong and others must not wait for, e.g. a missing credential. */
export const ADS_WITH_TIMEOUT: ConfigSource = { ads: {}, resourceApiVersion: ApiVersion.V3 };
