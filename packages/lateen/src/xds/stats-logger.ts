/** Parts of Envoy's stats access logger, whatever the tags are. */
import type {
  AccessLog,
  AccessLogFilter,
} from "@lateen/envoy-api/envoy/config/accesslog/v3/accesslog.js";
import {
  Config,
  type Config_Counter,
  type Config_Histogram,
  type Config_Histogram_Unit,
  type Config_Tag,
} from "@lateen/envoy-api/envoy/extensions/access_loggers/stats/v3/stats.js";
import type { Scope } from "@lateen/envoy-api/envoy/type/v3/scope.js";
import { extension } from "./message.ts";

/** Which side of a connection reports, and what it can know of the other. */
export type Reporter =
  /** Knows the server by its endpoint's metadata. `hostFallback`: by the Host header, if need be. */
  | { readonly side: "source"; readonly hostFallback: boolean }
  /** Knows the client only if it proved who it is. */
  | { readonly side: "destination"; readonly mutualTls: boolean };

/** A command of the log format, by itself or with what would stand in its parentheses. */
export type Operator = string | { readonly command: string; readonly param: string };

/** Envoy's COALESCE: the first operator that has a value. */
export function firstOf(operators: readonly Operator[]): string {
  return `%COALESCE(${JSON.stringify({ operators })})%`;
}

export const REQUEST_PROTOCOL =
  "%CEL('content-type' in request.headers && " +
  "request.headers['content-type'].startsWith('application/grpc') ? 'grpc' : 'http')%";

/**
 * Bounded, as labels come from peers, and evicted when idle (bootstrap: stats_eviction_interval).
 * The scopes of several filter chains are not shared by name: a series is one series anyway, as
 * its name and labels are the same, and Envoy 1.40 crashes at exit where a scope is shared.
 */
export const COUNTERS: Scope = { enableEviction: true, maxCounters: 2000 };
export const COUNTERS_AND_HISTOGRAMS: Scope = { ...COUNTERS, maxHistograms: 6000 };
export const COUNTERS_AND_GAUGES: Scope = { ...COUNTERS, maxGauges: 4000 };

type Stats = Pick<Config, "counters" | "gauges" | "histograms">;

export function statsLogger(
  filter: AccessLogFilter | undefined,
  statsScope: Scope,
  stats: Stats,
): AccessLog {
  return { ...extension("envoy.access_loggers.stats", Config, { ...stats, statsScope }), filter };
}

export function counter(name: string, tags: readonly Config_Tag[], value?: string): Config_Counter {
  const stat = { name, tags: [...tags] };
  return value === undefined ? { stat, valueFixed: 1 } : { stat, valueFormat: value };
}

export function histogram(
  name: string,
  tags: readonly Config_Tag[],
  unit: Config_Histogram_Unit,
  valueFormat: string,
): Config_Histogram {
  return { stat: { name, tags: [...tags] }, unit, valueFormat };
}

export function tag(name: string, valueFormat: string): Config_Tag {
  return { name, valueFormat };
}
