/** The end of a replica: what it does goes to others while it still serves. */
import type { Clock } from "../base/clock.ts";

/** Of the time: until endpoints of Services have gone from every node. */
const NOTICED_SHARE = 0.3;

export interface HandOver {
  readonly clock: Pick<Clock, "after">;
  /** Asks the API server. */
  giveLeadBack(): Promise<void>;
  /** Sends streams elsewhere within so many milliseconds. */
  drainStreams(overMs: number): Promise<void>;
}

/**
 * The lead at once, streams when Services have had time to notice that this replica is not ready any
 * more. An API server that does not answer must not keep the streams here until they are cut.
 */
export async function handOver(
  withinMs: number,
  { clock, giveLeadBack, drainStreams }: HandOver,
): Promise<void> {
  const noticed = Promise.withResolvers<void>();
  clock.after(withinMs * NOTICED_SHARE, noticed.resolve);
  void giveLeadBack();
  await noticed.promise;
  await drainStreams(withinMs * (1 - NOTICED_SHARE));
}
