import type { JsonOutObject } from "./json.ts";

/** Statistics to keep beside those that always stay: a pod's statsInclusion* annotations. */
export interface StatsOptions {
  readonly prefixes: readonly string[];
  readonly suffixes: readonly string[];
  /** RE2, matching the whole name. */
  readonly regexes: readonly string[];
  /** Upper bounds for histograms by the beginning of their names, before Istio's own. */
  readonly buckets: readonly HistogramBuckets[];
  /** How long Envoy keeps a statistic that nothing adds to; 0: for ever. */
  readonly evictionSeconds: number;
}

export interface HistogramBuckets {
  readonly prefix: string;
  readonly bounds: readonly number[];
}

/** Istio's metrics have `istiocustom.` before their names in its own proxy, and nothing in ours. */
export function histogramPrefix(name: string): string {
  return name.replace(/^istiocustom(\.|$)/, "") || "istio";
}

export const DEFAULT_EVICTION_SECONDS = 300;

export const noMoreStats: StatsOptions = {
  prefixes: [],
  suffixes: [],
  regexes: [],
  buckets: [],
  evictionSeconds: DEFAULT_EVICTION_SECONDS,
};

/** Statistics that stay on: those Istio keeps by default, and Istio's own metrics. */
const KEPT_PREFIXES = [
  "istio",
  "reporter=",
  "component",
  "cluster_manager",
  "listener_manager",
  "server",
  "cluster.xds-grpc",
  "wasm",
];
/** The health_check filter answers probes from these clusters' statistics. */
const KEPT_REGEX = "^cluster\\.probe\\|.*\\.membership_(healthy|total)$";
/** How often the application's page could not be had: a metric of istio-agent, type `application`. */
export const SCRAPE_FAILURES = "istio_agent_scrape_failures_total";
const KEPT_SUFFIXES = [
  SCRAPE_FAILURES,
  "rbac.allowed",
  "rbac.denied",
  "shadow_allowed",
  "shadow_denied",
  "downstream_cx_active",
  // What draining waits for.
  "downstream_rq_active",
];

/** Istio's tag names, so that its dashboards find them; the expressions cut the tag out of a name. */
const TAGS: readonly (readonly [name: string, regex: string])[] = [
  ["cluster_name", "^cluster\\.((.+?(?:\\.[^.]+\\.svc\\.cluster\\.local)?)\\.)"],
  ["tcp_prefix", "^tcp\\.((.*?)\\.)\\w+?$"],
  ["response_code", "_rq(_(\\d{3}))$"],
  ["response_code_class", "_rq(_(\\dxx))$"],
  ["http_conn_manager_prefix", "^http\\.(([^.]*(?:\\.\\d+)*[^.]*)\\.)"],
  ["listener_address", "^listener\\.(((?:[_.\\d]+|\\[[_\\da-fA-F:.]+\\][_\\d]*))\\.)"],
  ["mongo_prefix", "^mongo\\.(.+?)\\.(?:collection|cmd|cx_|op_|delays_|decoding_).*$"],
  ["authz_enforce_result", "rbac(\\.(allowed|denied))"],
  ["authz_dry_run_action", "(\\.istio_dry_run_(allow|deny)_)"],
  ["authz_dry_run_result", "(\\.shadow_(allowed|denied))"],
];

/**
 * What Envoy counts: 65 KB a cluster are saved by leaving out what nobody looks at.
 * https://istio.io/latest/docs/ops/configuration/telemetry/envoy-stats/
 */
export function statsConfig(more: StatsOptions): JsonOutObject {
  return {
    use_all_default_tags: false,
    stats_tags: TAGS.map(([name, regex]) => ({ tag_name: name, regex })),
    histogram_bucket_settings: [
      ...more.buckets.map(({ prefix, bounds }) => ({ match: { prefix }, buckets: [...bounds] })),
      {
        match: { prefix: "istio" },
        buckets: [
          0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000,
          600000, 1800000, 3600000,
        ],
      },
    ],
    stats_matcher: {
      inclusion_list: {
        patterns: [
          ...[...KEPT_PREFIXES, ...more.prefixes].map(prefix => ({ prefix })),
          ...[...KEPT_SUFFIXES, ...more.suffixes].map(suffix => ({ suffix })),
          ...[KEPT_REGEX, ...more.regexes].map(regex => ({ safe_regex: { regex } })),
        ],
      },
    },
  };
}
