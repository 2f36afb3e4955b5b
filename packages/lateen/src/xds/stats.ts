/**
 * Istio's standard metrics, made by Envoy's own stats access logger: `istio_requests_total`, its
 * durations and sizes, and the TCP metrics, each with the labels of Istio's documentation
 * (reference/config/metrics). The listener on 15090 takes Envoy's prefix `envoy_` off the names, and
 * writes out the labels of compact forms.
 */
import {
  type AccessLog,
  type AccessLogFilter,
  ComparisonFilter_Op,
} from "@lateen/envoy-api/envoy/config/accesslog/v3/accesslog.js";
import { AccessLogType } from "@lateen/envoy-api/envoy/data/accesslog/v3/accesslog.js";
import { ExpressionFilter } from "@lateen/envoy-api/envoy/extensions/access_loggers/filters/cel/v3/cel.js";
import {
  type Config_Gauge,
  Config_Histogram_Unit,
  type Config_Tag,
} from "@lateen/envoy-api/envoy/extensions/access_loggers/stats/v3/stats.js";
import type { TcpProxy_TcpAccessLogOptions } from "@lateen/envoy-api/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.js";
import type { Scope } from "@lateen/envoy-api/envoy/type/v3/scope.js";
import { CONNECTION_TAG, type LIVE_BYTES } from "../base/compact-metrics.ts";
import type { MetricsForm } from "../model/types.ts";
import { extension, seconds } from "./message.ts";
import { httpTag, liveTcpTag, tcpTag } from "./stats-compact.ts";
import { httpLabels, tcpLabels } from "./stats-full.ts";
import {
  COUNTERS,
  COUNTERS_AND_GAUGES,
  COUNTERS_AND_HISTOGRAMS,
  counter,
  histogram,
  type Reporter,
  statsLogger,
  tag,
} from "./stats-logger.ts";

/** For the connection manager: one record for each request. */
export function httpStats(reporter: Reporter, form: MetricsForm): readonly AccessLog[] {
  const compact = form !== "full";
  return once(`http ${compact} ${JSON.stringify(reporter)}`, () =>
    makeHttpStats(compact ? [httpTag(reporter)] : httpLabels(reporter)),
  );
}

const { Milliseconds, Bytes } = Config_Histogram_Unit;

function makeHttpStats(tags: readonly Config_Tag[]): AccessLog[] {
  return [
    statsLogger(undefined, COUNTERS_AND_HISTOGRAMS, {
      counters: [counter("istio_requests_total", tags)],
      histograms: [
        histogram("istio_request_duration_milliseconds", tags, Milliseconds, "%DURATION%"),
        histogram("istio_request_bytes", tags, Bytes, "%DOWNSTREAM_WIRE_BYTES_RECEIVED%"),
        histogram("istio_response_bytes", tags, Bytes, "%DOWNSTREAM_WIRE_BYTES_SENT%"),
      ],
    }),
  ];
}

/** What TCP proxies record, beside the end of a connection, for the loggers below. */
export function tcpRecords(form: MetricsForm): TcpProxy_TcpAccessLogOptions {
  return form === "live"
    ? { ...AT_START, accessLogFlushInterval: seconds(LIVE_SECONDS) }
    : AT_START;
}

const AT_START: TcpProxy_TcpAccessLogOptions = { flushAccessLogOnConnected: true };
/** As often as Istio reports TCP. */
const LIVE_SECONDS = 15;

/**
 * For TCP proxies with `tcpRecords`. Bytes count at the end of a connection: what is logged before is
 * the sum so far, and would count again and again. In the `live` form it stands in a gauge of that
 * connection until then. `cluster`: the only one that connections go to, if there is only one.
 */
export function tcpStats(
  reporter: Reporter,
  form: MetricsForm,
  cluster: string,
): readonly AccessLog[] {
  if (form === "full")
    return once(`tcp ${JSON.stringify(reporter)}`, () => {
      const labels = tcpLabels(reporter);
      return atEnds(reporter, COUNTERS_AND_HISTOGRAMS, labels, labels);
    });
  const all = tcpTag(reporter, cluster);
  return once(`tcp ${form} ${JSON.stringify([reporter, all])}`, () => {
    if (form === "compact") return atEnds(reporter, COUNTERS, [all], [all]);
    const live = liveTcpTag(reporter, cluster);
    return [...atEnds(reporter, COUNTERS, [all], [live]), whileOpen(reporter, live)];
  });
}

const SENT = "istio_tcp_sent_bytes_total";
const RECEIVED = "istio_tcp_received_bytes_total";

function atEnds(
  reporter: Reporter,
  scope: Scope,
  ends: readonly Config_Tag[],
  bytes: readonly Config_Tag[],
): AccessLog[] {
  return [
    statsLogger(isOf(AccessLogType.TcpUpstreamConnected), scope, {
      counters: [counter("istio_tcp_connections_opened_total", ends)],
    }),
    statsLogger(proven(reporter, isOf(AccessLogType.TcpConnectionEnd)), scope, {
      counters: [
        counter("istio_tcp_connections_closed_total", ends),
        counter(RECEIVED, bytes, "%BYTES_RECEIVED%"),
        counter(SENT, bytes, "%BYTES_SENT%"),
      ],
    }),
  ];
}

/** Of TCP connections, which have none: a number that is 0 (a fixed value may not be). */
const ZERO = "%RESPONSE_CODE%";

/**
 * The gauge is 0 when the counter has its bytes. The counters gain nothing meanwhile, but are used: else
 * Envoy would drop one below a connection that outlives all others, and its sum would fall.
 */
function whileOpen(reporter: Reporter, bytes: Config_Tag): AccessLog {
  const tags = [bytes, tag(CONNECTION_TAG, "%CONNECTION_ID%")];
  const gauge = (name: keyof typeof LIVE_BYTES, format: string): Config_Gauge[] => [
    { stat: { name, tags }, valueFormat: format, set: { logType: AccessLogType.TcpPeriodic } },
    { stat: { name, tags }, valueFormat: ZERO, set: { logType: AccessLogType.TcpConnectionEnd } },
  ];
  const recorded: AccessLogFilter = {
    orFilter: {
      filters: [
        isOf(AccessLogType.TcpPeriodic),
        { andFilter: { filters: [isOf(AccessLogType.TcpConnectionEnd), WAS_RECORDED] } },
      ],
    },
  };
  return statsLogger(proven(reporter, recorded), COUNTERS_AND_GAUGES, {
    counters: [counter(RECEIVED, [bytes], ZERO), counter(SENT, [bytes], ZERO)],
    gauges: [
      ...gauge("istio_tcp_live_sent", "%BYTES_SENT%"),
      ...gauge("istio_tcp_live_received", "%BYTES_RECEIVED%"),
    ],
  });
}

/** Short connections have no gauge, and need none. */
const WAS_RECORDED: AccessLogFilter = {
  durationFilter: {
    comparison: {
      op: ComparisonFilter_Op.GE,
      // Envoy wants a name under which its runtime could say otherwise.
      value: { defaultValue: LIVE_SECONDS * 1000, runtimeKey: "lateen.tcp_live_ms" },
    },
  },
};

function isOf(type: AccessLogType): AccessLogFilter {
  return { logTypeFilter: { types: [type] } };
}

/**
 * A client whose handshake was refused has a certificate, but proved nothing by it: its names must not
 * become labels. Nothing was opened either, and nobody was called for it.
 */
function proven(reporter: Reporter, filter: AccessLogFilter): AccessLogFilter {
  if (reporter.side === "source" || !reporter.mutualTls) return filter;
  return { andFilter: { filters: [filter, { extensionFilter: CALLED }] } };
}

const CALLED = extension("envoy.access_loggers.extension_filters.cel", ExpressionFilter, {
  expression: "has(upstream.address)",
});

/** Long, and the same for every filter chain of a kind: each is made and encoded once. */
const made = new Map<string, readonly AccessLog[]>();

function once(key: string, make: () => AccessLog[]): readonly AccessLog[] {
  const known = made.get(key);
  if (known !== undefined) return known;
  const loggers = make();
  made.set(key, loggers);
  return loggers;
}
