/** What a control plane is started with. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { RootRenewalSettings } from "../ca/root-renewal.ts";
import type { Mesh } from "../model/types.ts";
import type { RootLog } from "../net/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export type DiscoverySource =
  | { readonly kind: "files"; readonly directory: string }
  | {
      readonly kind: "api";
      readonly server: string;
      readonly token: () => string;
      /** PEM; undefined: what the system trusts. */
      readonly ca: string | undefined;
    }
  | {
      /** A Kubernetes cluster, whose API server vouches for tokens. */
      readonly kind: "kube";
      readonly client: ApiClient;
      readonly systemNamespace: string;
      /** Control-plane revision; `default` for the one without a name. */
      readonly revision: string;
    };

export interface DiscoveryOptions {
  readonly source: DiscoverySource;
  /** Where there is no ConfigMap `istio`; undefined: MeshConfig's defaults. */
  readonly mesh?: Mesh | undefined;
  readonly plaintext: Endpoint | undefined;
  readonly tls: readonly Endpoint[];
  /** Debug, metrics and readiness; Istio's 8080 and 15014. */
  readonly http: readonly Endpoint[];
  /** Webhooks of a Kubernetes cluster; Istio's 15017. */
  readonly webhooks?: Endpoint | undefined;
  /** Istio's ControlZ, on loopback: the levels of this log. */
  readonly controlz?: { readonly at: Endpoint; readonly log: RootLog } | undefined;
  /** For what must outlive the process: last good rows. */
  readonly stateDir: string | undefined;
  /** Shown by `ps` as the instance. */
  readonly instance: string;
  readonly version: string;
  readonly certificateLifetimeMs: number | undefined;
  /** How long a new root takes to be trusted by all; undefined: two minutes in a cluster, five seconds here. */
  readonly rootSpreadMs?: number | undefined;
  /** A stream shows its credential again after this; undefined: half an hour in a cluster. */
  readonly streamAgeMaxMs?: number | undefined;
  readonly rootRenewal?: Partial<RootRenewalSettings> | undefined;
  /** Further DNS names of the control plane's certificate. */
  readonly customHosts?: readonly string[] | undefined;
  /** Istio's `CLUSTER_ID`; undefined: `Kubernetes`. */
  readonly clusterId?: string | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}
