/** `proxy-status`: features rows 10 to 12, from `/debug/syncz` of every control-plane instance. */
import { compareText } from "../../base/compare.ts";
import type { SyncStatus, TypeStatus } from "../../base/sync-status.ts";
import { renderTable } from "../tabwriter.ts";

export interface StatusTableOptions {
  readonly compat: "1.12" | "1.14" | undefined;
  /** istioctl's `--verbosity`: 1 prints a column for each type. */
  readonly verbosity: number;
}

export interface Placed {
  readonly istiod: string;
  readonly status: SyncStatus;
}

export function parseSyncz(byInstance: ReadonlyMap<string, string>): Placed[] {
  const placed: Placed[] = [];
  for (const [istiod, text] of byInstance) {
    for (const status of JSON.parse(text) as SyncStatus[]) placed.push({ istiod, status });
  }
  return withoutDoubles(placed).sort(
    (a, b) =>
      compareText(a.status.cluster_id, b.status.cluster_id) ||
      compareText(a.status.proxy, b.status.proxy),
  );
}

/**
 * A replica misses proxies that are connected to another one: a row without configuration stands only
 * where no replica has a better one. Of several such, what says most is shown.
 */
function withoutDoubles(placed: readonly Placed[]): Placed[] {
  const has = ({ status }: Placed): boolean => Object.keys(status.types).length > 0;
  const byProxy = Map.groupBy(placed, ({ status }) => status.proxy);
  return [...byProxy.values()].flatMap(rows => {
    const configured = rows.filter(has);
    if (configured.length > 0) return configured;
    return rows.toSorted((a, b) => rank(a.status) - rank(b.status)).slice(0, 1);
  });
}

/** Connected, refused, not there. */
function rank(status: SyncStatus): number {
  if (isConnected(status)) return 0;
  return status.waiting?.includes("refused: ") ? 1 : 2;
}

export function isConnected({ waiting = "" }: SyncStatus): boolean {
  return !waiting.startsWith("not connected");
}

const TYPE_URLS: ReadonlyMap<string, string> = new Map([
  ["CDS", "envoy.config.cluster.v3.Cluster"],
  ["LDS", "envoy.config.listener.v3.Listener"],
  ["EDS", "envoy.config.endpoint.v3.ClusterLoadAssignment"],
  ["RDS", "envoy.config.route.v3.RouteConfiguration"],
  ["VHDS", "envoy.config.route.v3.VirtualHost"],
  ["SDS", "envoy.extensions.transport_sockets.tls.v3.Secret"],
  ["ECDS", "envoy.config.core.v3.TypedExtensionConfig"],
]);

/**
 * What istioctl prints for `-o json`: the answer of one control plane as a DiscoveryResponse of
 * ClientConfig (envoy/service/status/v3/csds.proto).
 */
export function statusResponse(
  istiod: string,
  proxies: readonly SyncStatus[],
  nowMs: number,
): unknown {
  return {
    resources: proxies.map(status => clientConfig(status, nowMs)),
    typeUrl: "istio.io/debug/syncz",
    controlPlane: { identifier: JSON.stringify({ Component: "istiod", ID: istiod }) },
  };
}

function clientConfig(status: SyncStatus, nowMs: number): unknown {
  const metadata = {
    CLUSTER_ID: status.cluster_id,
    ISTIO_VERSION: status.istio_version,
    NAMESPACE: namespaceOf(status),
  };
  return {
    "@type": "type.googleapis.com/envoy.service.status.v3.ClientConfig",
    node: { id: status.proxy, metadata },
    genericXdsConfigs: Object.entries(status.types).map(([type, { state, age_ms, message }]) => ({
      typeUrl: `type.googleapis.com/${TYPE_URLS.get(type) ?? type}`,
      ...(age_ms === undefined ? {} : { lastUpdated: new Date(nowMs - age_ms).toISOString() }),
      configStatus: state.replace(" ", "_"),
      ...(message === undefined ? {} : { errorState: { details: message } }),
    })),
  };
}

/** A proxy is `<pod>.<namespace>`, and a namespace has no dots. */
export function namespaceOf(status: SyncStatus): string {
  return status.proxy.slice(status.proxy.lastIndexOf(".") + 1);
}

export function statusTable(proxies: readonly Placed[], options: StatusTableOptions): string {
  if (options.compat !== undefined) return compatTable(proxies, options.compat);
  return options.verbosity > 0 ? typeTable(proxies) : shortTable(proxies);
}

const SHORT_TYPES = ["CDS", "LDS", "EDS", "RDS", "ECDS"] as const;

function shortTable(proxies: readonly Placed[]): string {
  const rows: string[][] = [["NAME", "CLUSTER", "ISTIOD", "VERSION", "SUBSCRIBED TYPES"]];
  for (const { istiod, status } of proxies) {
    rows.push([status.proxy, status.cluster_id, istiod, status.istio_version, subscribed(status)]);
  }
  return renderTable(rows, { padding: 5 });
}

function subscribed(status: SyncStatus): string {
  if (status.waiting !== undefined) return `0 (${status.waiting})`;
  const known = SHORT_TYPES.filter(type => isSubscribed(status, type));
  const others = Object.keys(status.types)
    .filter(type => !SHORT_TYPES.some(short => short === type) && isSubscribed(status, type))
    .sort();
  const all = [...known, ...others];
  const troubled = all.filter(type => isTrouble(stateOf(status, type)));
  const note = troubled.map(type => `${type} ${stateOf(status, type)}`).join(", ");
  return `${all.length} (${all.join(",")})${note === "" ? "" : ` ${note}`}`;
}

function isSubscribed(status: SyncStatus, type: string): boolean {
  const state = stateOf(status, type);
  return state !== "IGNORED";
}

function isTrouble(state: TypeStatus["state"]): boolean {
  return state === "STALE" || state === "ERROR";
}

function stateOf(status: SyncStatus, type: string): TypeStatus["state"] {
  return status.types[type]?.state ?? "IGNORED";
}

function typeTable(proxies: readonly Placed[]): string {
  const types = [...new Set(proxies.flatMap(p => Object.keys(p.status.types)))].sort();
  const rows: string[][] = [["NAME", "CLUSTER", ...types, "ISTIOD", "VERSION"]];
  for (const { istiod, status } of proxies) {
    const cells = types.map(type => describeState(status.types[type]));
    rows.push([status.proxy, status.cluster_id, ...cells, istiod, status.istio_version]);
  }
  return renderTable(rows, { padding: 5 });
}

function describeState(type: TypeStatus | undefined): string {
  if (type === undefined) return "IGNORED";
  const age = type.age_ms === undefined ? "" : ` (${describeAge(type.age_ms)})`;
  return `${type.state}${type.state === "IGNORED" ? "" : age}`;
}

/** As Go prints a duration rounded to the second: `12s`, `3m5s`, `2h0m0s`. */
function describeAge(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = total % 60;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}

/**
 * Istio 1.12 has neither CLUSTER nor ECDS; both say NOT SENT where nothing was asked for. Virtual
 * hosts that come one at a time are routes, too.
 */
function compatTable(proxies: readonly Placed[], compat: "1.12" | "1.14"): string {
  const types = compat === "1.12" ? SHORT_TYPES.slice(0, 4) : SHORT_TYPES;
  const cluster = compat === "1.12" ? [] : ["CLUSTER"];
  const rows: string[][] = [["NAME", ...cluster, ...types, "ISTIOD", "VERSION"]];
  for (const { istiod, status } of proxies) {
    const cells = types.map(type => {
      const single = type === "RDS" ? stateOf(status, "VHDS") : "IGNORED";
      const state = isTrouble(single) ? single : stateOf(status, type);
      return state === "IGNORED" ? "NOT SENT" : state === "ERROR" ? "STALE" : state;
    });
    const id = compat === "1.12" ? [] : [status.cluster_id];
    rows.push([status.proxy, ...id, ...cells, istiod, status.istio_version]);
  }
  return renderTable(rows, { padding: 5 });
}
