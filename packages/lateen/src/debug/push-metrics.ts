/** How long a change takes to a proxy (Istio's pilot_proxy_convergence_time). */
import { Histogram, type Registry } from "prom-client";
import type { StreamEvent } from "../discovery/types.ts";

/** Revisions whose time is known; a response that holds an older newest change is not counted. */
const KEPT_MAX = 1_000;
/** Istio's. */
const BUCKETS = [0.1, 0.5, 1, 3, 5, 10, 20, 30];

export class PushTimes {
  readonly #now: () => number;
  readonly #histogram: Histogram;
  /** When each revision of the graph came to be, oldest first. */
  readonly #committed = new Map<number, number>();

  constructor(now: () => number, registers: Registry[]) {
    this.#now = now;
    this.#histogram = new Histogram({
      name: "pilot_proxy_convergence_time",
      help: "Seconds from the newest change in a pushed response until it was handed to the connection",
      buckets: BUCKETS,
      registers,
    });
  }

  committed(revision: number): void {
    this.#committed.set(revision, this.#now());
    const [oldest] = this.#committed.keys();
    if (this.#committed.size > KEPT_MAX && oldest !== undefined) this.#committed.delete(oldest);
  }

  /** What answers a request is no push: the change may have been long ago. */
  observe(event: StreamEvent): void {
    if (event.kind !== "sent" || event.answers === true) return;
    const since = this.#committed.get(event.revision);
    if (since !== undefined) this.#histogram.observe(Math.max(0, this.#now() - since) / 1000);
  }
}
