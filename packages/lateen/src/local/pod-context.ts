import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { BackOff } from "./container.ts";
import type { AddressPool } from "./network-plan.ts";
import type { NodeNetwork } from "./node-network.ts";
import type { PodEvents } from "./pod-events.ts";
import type { ProcessRecord } from "./process-record.ts";

export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly podUid: string;
  readonly nodeName: string;
  /** `istio-ca`. */
  readonly audience: string;
  readonly expirationSeconds: number;
}

export interface IssuedToken {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The certificate that proxies trust their control plane by. */
export interface RootCertSource {
  /** PEM. */
  current(): string;
  /** Calls back after each change; the returned function ends that. */
  onChange(callback: () => void): () => void;
}

/** Durations of a pod's end. */
export interface TerminationTimes {
  /**
   * From deletionTimestamp to the applications' SIGTERM: in this time every proxy learns that the
   * endpoint is gone and moves its connections.
   */
  readonly drainMs: number;
}

export const defaultTermination: TerminationTimes = { drainMs: 3_000 };

/** What all pods of a runtime share. */
export interface PodContext {
  readonly record: ProcessRecord;
  readonly node: NodeNetwork;
  readonly addresses: AddressPool;
  readonly clock: Clock;
  readonly log: Log;
  readonly stateDir: string;
  readonly envoy: string;
  /** DNS name in the control plane's certificate. */
  readonly discoveryServerName: string;
  readonly domain: string;
  readonly baseEnv: Readonly<Record<string, string>>;
  /** The folder of Lateen itself, which pods see whatever they mount over it. */
  readonly home: string;
  /** Folders of the machine that pods see empty: what the mesh keeps. */
  readonly hidden: readonly string[];
  readonly backOff: BackOff;
  readonly events: Pick<PodEvents, "record" | "forget">;
  readonly termination: TerminationTimes;
  readonly rootCert: RootCertSource;
  issueToken(request: TokenRequest): Promise<IssuedToken>;
  data(
    kind: "ConfigMap" | "Secret",
    namespace: string,
    name: string,
  ): Readonly<Record<string, string>> | undefined;
}
