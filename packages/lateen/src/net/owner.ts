/** Whose account a stream is on, once it is known who is there. */
import { ownerByAddress } from "../base/owner-by-address.ts";
import type { Peer } from "../discovery/types.ts";

/** A pod where the credential names one, as many pods may have one identity. */
export function ownerOf({ identity, claims, address }: Peer): string {
  const { podUid } = claims;
  if (podUid !== undefined) return `pod ${podUid}`;
  return identity ?? ownerByAddress(address);
}
