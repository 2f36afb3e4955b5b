import { compareText } from "../base/compare.ts";
import type { SyncStatus, TypeStatus } from "../base/sync-status.ts";
import type { StreamEvent } from "../discovery/types.ts";

/** What is known of a connected proxy beside its streams' events. */
export interface ProxyFacts {
  /** `<pod>.<namespace>`. */
  readonly proxy: string;
  /** The stream has shown an identity, which its namespace was checked against. */
  readonly verified: boolean;
  readonly type: string;
  readonly cluster: string;
  readonly version: string;
  readonly address: string;
  readonly form: "delta" | "sotw";
}

interface TypeState {
  sent: string;
  acked: string;
  nacked: string;
  message: string;
  /** When the present state was reached, milliseconds since the epoch. */
  since: number;
  revision: number;
  bytes: number;
}

interface Entry {
  readonly facts: ProxyFacts;
  readonly connectedAt: number;
  readonly types: Map<string, TypeState>;
}

/** In place of a nonce: the proxy came back with all that it should have, and was sent nothing. */
const UNCHANGED = "unchanged";

const PREFIX = "type.googleapis.com/";

/** Istio's short names of resource types, as `ps` prints them. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  [`${PREFIX}envoy.config.cluster.v3.Cluster`, "CDS"],
  [`${PREFIX}envoy.config.listener.v3.Listener`, "LDS"],
  [`${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`, "EDS"],
  [`${PREFIX}envoy.config.route.v3.RouteConfiguration`, "RDS"],
  [`${PREFIX}envoy.config.route.v3.VirtualHost`, "VHDS"],
  [`${PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`, "SDS"],
  [`${PREFIX}envoy.config.core.v3.TypedExtensionConfig`, "ECDS"],
]);

/** Type URLs and short names, by type URL. */
export function servedTypes(): (readonly [string, string])[] {
  return [...SHORT_NAMES].sort((a, b) => compareText(a[0], b[0]));
}

/** undefined: none of the types that are served, but whatever a client has asked for. */
export function servedTypeName(type: string): string | undefined {
  return SHORT_NAMES.get(type);
}

export function shortTypeName(type: string): string {
  const known = SHORT_NAMES.get(type);
  if (known !== undefined) return known;
  const name = type.slice(type.lastIndexOf("/") + 1);
  return SHORT_NAMES.get(`${PREFIX}${name}`) ?? name;
}

/** Who is connected and how far each is: the source of `/debug/syncz` and of the push metrics. */
export class ConnectionTable {
  readonly #entries = new Map<string, Entry>();
  /** The newest of each proxy. */
  readonly #byProxy = new Map<string, Entry>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  open(id: string, facts: ProxyFacts): void {
    const entry = { facts, connectedAt: this.#now(), types: new Map() };
    this.#entries.set(id, entry);
    if (facts.verified) this.#byProxy.set(facts.proxy, entry);
  }

  close(id: string): void {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    // An older stream may end when its proxy has come again.
    if (entry && this.#byProxy.get(entry.facts.proxy) === entry)
      this.#byProxy.delete(entry.facts.proxy);
  }

  report(id: string, event: StreamEvent): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const name = shortTypeName(event.type);
    const state = entry.types.get(name) ?? this.#newState();
    entry.types.set(name, state);
    switch (event.kind) {
      case "subscribed":
        return;
      case "current":
        state.sent = UNCHANGED;
        state.acked = UNCHANGED;
        state.revision = event.revision;
        break;
      case "sent":
        state.sent = event.nonce;
        state.revision = event.revision;
        state.bytes += event.bytes;
        break;
      case "acked":
        state.acked = event.nonce;
        state.message = "";
        break;
      case "nacked":
        state.nacked = event.nonce;
        state.message = event.message;
    }
    state.since = this.#now();
  }

  #newState(): TypeState {
    return {
      sent: "",
      acked: "",
      nacked: "",
      message: "",
      since: this.#now(),
      revision: 0,
      bytes: 0,
    };
  }

  syncz(): SyncStatus[] {
    return [...this.#entries.values()]
      .map(entry => this.#describe(entry))
      .sort((a, b) => compareText(a.proxy, b.proxy));
  }

  /** How far a proxy is, by `<pod>.<namespace>`; of those that have shown who they are. */
  statusOf(proxy: string): SyncStatus | undefined {
    const entry = this.#byProxy.get(proxy);
    return entry && this.#describe(entry);
  }

  /** One line a stream for `/debug/connections`. */
  connections(): readonly {
    readonly connectionId: string;
    readonly connectedAt: string;
    readonly address: string;
    readonly form: string;
    readonly proxy: string;
    readonly bytesSent: number;
  }[] {
    return [...this.#entries].map(([id, entry]) => ({
      connectionId: id,
      connectedAt: new Date(entry.connectedAt).toISOString(),
      address: entry.facts.address,
      form: entry.facts.form,
      proxy: entry.facts.proxy,
      bytesSent: [...entry.types.values()].reduce((sum, type) => sum + type.bytes, 0),
    }));
  }

  #describe(entry: Entry): SyncStatus {
    const sorted = [...entry.types].sort((a, b) => compareText(a[0], b[0]));
    const types: Readonly<Record<string, TypeStatus>> = Object.fromEntries(
      sorted.map(([name, state]) => [name, this.#describeType(state)]),
    );
    const nonces = (name: string) => entry.types.get(name);
    const waiting = nonces("CDS")?.sent ? {} : { waiting: "no configuration sent yet" };
    return {
      proxy: entry.facts.proxy,
      proxy_type: entry.facts.type,
      cluster_id: entry.facts.cluster,
      istio_version: entry.facts.version,
      cluster_sent: nonces("CDS")?.sent ?? "",
      cluster_acked: nonces("CDS")?.acked ?? "",
      listener_sent: nonces("LDS")?.sent ?? "",
      listener_acked: nonces("LDS")?.acked ?? "",
      route_sent: nonces("RDS")?.sent ?? "",
      route_acked: nonces("RDS")?.acked ?? "",
      endpoint_sent: nonces("EDS")?.sent ?? "",
      endpoint_acked: nonces("EDS")?.acked ?? "",
      types,
      ...waiting,
    };
  }

  #describeType(state: TypeState): TypeStatus {
    const age_ms = this.#now() - state.since;
    if (state.sent === "") return { state: "NOT SENT", age_ms };
    if (state.sent === state.nacked) return { state: "ERROR", age_ms, message: state.message };
    return { state: state.sent === state.acked ? "SYNCED" : "STALE", age_ms };
  }
}
