import { silentLog } from "../../src/base/log.ts";
import type { ConfigSource } from "../../src/discovery/types.ts";
import { AdsServer, type AdsServerOptions, type Authenticate } from "../../src/net/ads-server.ts";
import { systemClock } from "../../src/net/clock.ts";

/** Lets everybody in, without an identity. */
export const anybody: Authenticate = ({ transport, address }) => ({
  transport,
  address,
  identity: undefined,
  claims: {},
});

export function newAdsServer(
  source: ConfigSource,
  more: Partial<AdsServerOptions> = {},
): AdsServer {
  return new AdsServer({
    source,
    authenticate: anybody,
    clock: systemClock,
    log: silentLog,
    ...more,
  });
}
