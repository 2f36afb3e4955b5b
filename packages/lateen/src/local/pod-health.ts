import type { Container, Probe } from "../api/pod/container.ts";
import type { Clock } from "../base/clock.ts";
import { type ProbeTarget, probeCheck } from "./probe-check.ts";
import { Prober } from "./prober.ts";

export interface HealthOptions {
  readonly spec: Container;
  readonly clock: Clock;
  readonly target: ProbeTarget;
  /** Probes of the application go through Envoy: they begin once that has been up. */
  held(): boolean;
  onChange(): void;
  /** A startup or liveness probe has failed for good: the container is to be started anew. */
  onUnhealthy(why: string): void;
}

/** Readiness is asked this often until it is given for the first time. */
const FIRST_READINESS_PERIOD_MS = 250;

/** The probes of one start of one container. */
export class ContainerHealth {
  readonly #options: HealthOptions;
  readonly #probers: Prober[] = [];
  #started: boolean;
  #ready: boolean;

  constructor(options: HealthOptions) {
    this.#options = options;
    const { startupProbe, readinessProbe } = options.spec;
    this.#started = startupProbe === undefined;
    this.#ready = this.#started && readinessProbe === undefined;
    if (startupProbe === undefined) this.#afterStartup();
    else this.#probe(startupProbe, Number.POSITIVE_INFINITY, good => this.#onStartup(good));
  }

  get started(): boolean {
    return this.#started;
  }

  get ready(): boolean {
    return this.#ready;
  }

  stop(): void {
    for (const prober of this.#probers) prober.stop();
  }

  #onStartup(good: boolean): void {
    if (!good) {
      this.#options.onUnhealthy("startup probe failed");
      return;
    }
    if (this.#started) return;
    this.#started = true;
    this.#ready = this.#options.spec.readinessProbe === undefined;
    this.#afterStartup();
    this.#options.onChange();
  }

  #afterStartup(): void {
    const { readinessProbe, livenessProbe } = this.#options.spec;
    if (readinessProbe !== undefined)
      this.#probe(readinessProbe, FIRST_READINESS_PERIOD_MS, good => {
        if (this.#ready === good) return;
        this.#ready = good;
        this.#options.onChange();
      });
    if (livenessProbe !== undefined)
      this.#probe(livenessProbe, Number.POSITIVE_INFINITY, (good, why) => {
        if (!good) this.#options.onUnhealthy(`liveness probe failed: ${why}`);
      });
  }

  #probe(probe: Probe, firstPeriodMs: number, onResult: Result): void {
    const check = probeCheck(probe, this.#options.target);
    if (check === undefined) return;
    const { clock, held } = this.#options;
    this.#probers.push(new Prober({ probe, check, clock, firstPeriodMs, held, onResult }));
  }
}

type Result = (good: boolean, why: string) => void;
