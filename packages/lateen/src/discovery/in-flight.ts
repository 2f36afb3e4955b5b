import type { Resource } from "./types.ts";

/** A response that the client has not answered. Its resources are shared; it lives one round trip. */
export interface InFlight {
  readonly nonce: string;
  readonly revision: number;
  readonly resources: readonly Resource[];
  readonly sentAtMs: number;
}

/** Responses without an answer that are remembered; more only when answers are overdue. */
const REMEMBERED_MAX = 4;
const none: readonly InFlight[] = [];

/** The responses of one type that wait for an answer. */
export class InFlights {
  readonly #waitMs: number;
  #waiting: readonly InFlight[] = none;
  #overdue = false;
  #ackedRevision = -1;

  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** True while the next response has to wait. */
  get busy(): boolean {
    return this.#waiting.length > 0 && !this.#overdue;
  }

  /** Oldest first. */
  get waiting(): readonly InFlight[] {
    return this.#waiting;
  }

  /** The newest revision that the client has accepted; -1: none. */
  get ackedRevision(): number {
    return this.#ackedRevision;
  }

  sent(response: InFlight): void {
    this.#waiting = [...this.#waiting.slice(1 - REMEMBERED_MAX), response];
    this.#overdue = false;
  }

  /** True when the newest response has just become overdue. */
  tick(nowMs: number): boolean {
    const newest = this.#waiting.at(-1);
    if (newest === undefined || this.#overdue) return false;
    this.#overdue = nowMs - newest.sentAtMs >= this.#waitMs;
    return this.#overdue;
  }

  /** The response that a nonce answers, with all before it taken as answered; or undefined. */
  answer(nonce: string, accepted: boolean): InFlight | undefined {
    const place = this.#waiting.findIndex(response => response.nonce === nonce);
    const response = this.#waiting[place];
    if (response === undefined) return undefined;
    this.#waiting = this.#waiting.slice(place + 1);
    if (accepted) this.#ackedRevision = Math.max(this.#ackedRevision, response.revision);
    return response;
  }
}
