/**
 * One connected proxy as `/debug/syncz` gives it. The upper fields are Istio's (Kiali reads them);
 * `types` says the same for every type, with ages and reasons.
 */
export interface SyncStatus {
  /** `<pod>.<namespace>`. */
  readonly proxy: string;
  readonly proxy_type: string;
  readonly cluster_id: string;
  readonly istio_version: string;
  readonly cluster_sent?: string;
  readonly cluster_acked?: string;
  readonly listener_sent?: string;
  readonly listener_acked?: string;
  readonly route_sent?: string;
  readonly route_acked?: string;
  readonly endpoint_sent?: string;
  readonly endpoint_acked?: string;
  /** By type in Istio's short names: CDS, LDS, EDS, RDS, ECDS, SDS, VHDS. */
  readonly types: Readonly<Record<string, TypeStatus>>;
  /** Why the proxy has no configuration, if it has none: for people. */
  readonly waiting?: string;
}

export interface TypeStatus {
  readonly state: "SYNCED" | "NOT SENT" | "STALE" | "IGNORED" | "ERROR";
  /** Milliseconds since the state was reached. */
  readonly age_ms?: number;
  /** Envoy's words for a rejection. */
  readonly message?: string;
}
