/**
 * Two lines that new streams wait in: for their credential to be looked at, where addresses take turns,
 * and to be let in, where those take turns whose credentials they are. Nobody is let in before the
 * sources are ready: no answer could be right.
 */
import type { Clock } from "../base/clock.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import type { ConfigSource } from "../discovery/types.ts";
import type { ServerLimits } from "./ads-limits.ts";
import { FairLine, type InLine } from "./fair-line.ts";

/** While streams wait in line, they are let in this often. */
const PACE_MS = 20;

export class Admission {
  readonly #source: ConfigSource;
  readonly #clock: Clock;
  readonly #door: FairLine;
  readonly #seats: FairLine;
  #pacing = false;
  #stopWaiting: (() => void) | undefined;

  constructor(limits: ServerLimits, source: ConfigSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    const { credentialsPerSecond, credentialBurst, newStreamsWaitingMax } = limits;
    const { newStreamsPerSecond, newStreamBurst } = limits;
    const now = clock.monotonic();
    const door = new TokenBucket(credentialsPerSecond, credentialBurst, now);
    const seats = new TokenBucket(newStreamsPerSecond, newStreamBurst, now);
    this.#door = new FairLine(door, newStreamsWaitingMax);
    this.#seats = new FairLine(seats, newStreamsWaitingMax);
  }

  get waiting(): number {
    return this.#door.waiting + this.#seats.waiting;
  }

  /** `address`: whose address it is (ownerByAddress). The result leaves the line. */
  atDoor(address: string, entering: InLine): () => void {
    const leave = this.#door.enter(address, this.#clock.monotonic(), true, entering);
    this.#arm();
    return leave;
  }

  /** `owner`: see owner.ts. */
  toSeats(owner: string, entering: InLine): () => void {
    const leave = this.#seats.enter(owner, this.#clock.monotonic(), this.#source.ready, entering);
    this.#arm();
    return () => {
      leave();
      if (this.#seats.waiting > 0) return;
      this.#stopWaiting?.();
      this.#stopWaiting = undefined;
    };
  }

  #arm(): void {
    const { ready } = this.#source;
    if (!ready && this.#seats.waiting > 0)
      this.#stopWaiting ??= this.#source.onReady(() => {
        this.#stopWaiting = undefined;
        this.#letIn();
      });
    if (this.#pacing || this.#door.waiting + (ready ? this.#seats.waiting : 0) === 0) return;
    this.#pacing = true;
    this.#clock.after(PACE_MS, () => {
      this.#pacing = false;
      this.#letIn();
    });
  }

  #letIn(): void {
    const now = this.#clock.monotonic();
    this.#door.tick(now);
    if (this.#source.ready) this.#seats.tick(now);
    this.#arm();
  }
}
