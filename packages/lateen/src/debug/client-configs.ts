/** How far each proxy is, as Envoy's CSDS says it: what istioctl's `ps` reads (type `istio.io/debug/syncz`). */

import { encodeMessage, typeUrl } from "@lateen/envoy-api/any.js";
import {
  ClientConfig,
  type ClientConfig_GenericXdsConfig,
  ConfigStatus,
} from "@lateen/envoy-api/envoy/service/status/v3/csds.js";
import { own } from "../base/own.ts";
import type { SyncStatus, TypeStatus } from "../base/sync-status.ts";
import type { DebugResource } from "../discovery/types.ts";
import { servedTypes } from "./connections.ts";

/** Istio's (pilot/pkg/xds/statusgen.go). */
const STATES: Readonly<Record<TypeStatus["state"], ConfigStatus>> = {
  SYNCED: ConfigStatus.SYNCED,
  "NOT SENT": ConfigStatus.NOT_SENT,
  STALE: ConfigStatus.STALE,
  ERROR: ConfigStatus.ERROR,
  IGNORED: ConfigStatus.UNKNOWN,
};

export function clientConfigs(proxies: readonly SyncStatus[], nowMs: number): DebugResource[] {
  const type = typeUrl(ClientConfig);
  return proxies.map(proxy => ({
    name: proxy.proxy,
    typeUrl: type,
    value: encodeMessage(ClientConfig, {
      node: {
        id: proxy.proxy,
        metadata: {
          CLUSTER_ID: proxy.cluster_id,
          ISTIO_VERSION: proxy.istio_version,
          NAMESPACE: proxy.proxy.slice(proxy.proxy.lastIndexOf(".") + 1),
        },
      },
      genericXdsConfigs: genericConfigs(proxy, nowMs),
    }),
  }));
}

function genericConfigs({ types }: SyncStatus, nowMs: number): ClientConfig_GenericXdsConfig[] {
  return servedTypes().flatMap(([typeUrl, short]) => {
    const status = own(types, short);
    if (status === undefined) return [];
    const lastUpdated = timestamp(nowMs - (status.age_ms ?? 0));
    const errorState =
      status.state === "ERROR"
        ? { lastUpdateAttempt: lastUpdated, details: status.message ?? "" }
        : undefined;
    const configStatus = STATES[status.state];
    return [{ typeUrl, configStatus, lastUpdated, ...(errorState && { errorState }) }];
  });
}

function timestamp(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
