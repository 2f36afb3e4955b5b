/** What a proxy's IP families mean for where it listens and from where it dials its application. */
import type { BindConfig } from "@lateen/envoy-api/envoy/config/core/v3/address.js";
import type { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import type { IpFamilies } from "../model/proxies.ts";
import { socketAddress } from "./message.ts";

/** All addresses of one family. Names of listeners have the first one. */
const WILDCARDS = {
  IPv4: ["0.0.0.0"],
  IPv6: ["::"],
  dual: ["0.0.0.0", "::"],
} as const satisfies Readonly<Record<IpFamilies, readonly string[]>>;

export function wildcards(families: IpFamilies): readonly [string, ...string[]] {
  return WILDCARDS[families];
}

/** From a part of a key; anything unknown is IPv4. */
export function familiesOf(text: string): IpFamilies {
  return text === "IPv6" || text === "dual" ? text : "IPv4";
}

/** A listener on one or more addresses; the first one gives it its name. */
export function listensOn(
  [address, ...more]: readonly [string, ...string[]],
  port: number,
): Pick<Listener, "address" | "additionalAddresses"> {
  const additional = more.map(each => ({ address: socketAddress(each, port) }));
  return {
    address: socketAddress(address, port),
    ...(additional.length === 0 ? {} : { additionalAddresses: additional }),
  };
}

const FOUR = { address: "127.0.0.6", portValue: 0 };
const SIX = { address: "::6", portValue: 0 };

/**
 * Connections to the application come from these addresses, so that interception lets them
 * through. Envoy takes the one of the family that it dials.
 */
const INBOUND_BINDS: Readonly<Record<IpFamilies, BindConfig>> = {
  IPv4: { sourceAddress: FOUR },
  IPv6: { sourceAddress: SIX },
  dual: { sourceAddress: FOUR, extraSourceAddresses: [{ address: SIX }] },
};

export function inboundBind(families: IpFamilies): BindConfig {
  return INBOUND_BINDS[families];
}
