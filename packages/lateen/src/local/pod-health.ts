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
  /** What else keeps it from being ready, when its probe says that it is; undefined: nothing. */
  also(): string | undefined;
  onChange(): void;
  /** A startup or liveness probe has failed for good: the container is to be started anew. */
  onUnhealthy(probe: ProbeName, why: string): void;
  /** A probe has failed once. */
  onFailure(probe: ProbeName, why: string): void;
}

/** As the kubelet's Events name it. */
export type ProbeName = "Startup" | "Readiness" | "Liveness";

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
    else this.#probe("Startup", startupProbe, (good, why) => this.#onStartup(good, why));
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

  #onStartup(good: boolean, why: string): void {
    if (!good) {
      this.#options.onUnhealthy("Startup", why);
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
      this.#probe("Readiness", readinessProbe, good => {
        if (this.#ready === good) return;
        this.#ready = good;
        this.#options.onChange();
      });
    if (livenessProbe !== undefined)
      this.#probe("Liveness", livenessProbe, (good, why) => {
        if (!good) this.#options.onUnhealthy("Liveness", why);
      });
  }

  #probe(name: ProbeName, probe: Probe, onResult: Result): void {
    const { clock, held, target, also, onFailure } = this.#options;
    const asked = probeCheck(probe, target);
    if (asked === undefined) return;
    const check = name === "Readiness" ? async () => (await asked()) ?? also() : asked;
    const firstPeriodMs =
      name === "Readiness" ? FIRST_READINESS_PERIOD_MS : Number.POSITIVE_INFINITY;
    this.#probers.push(
      new Prober({
        ...{ probe, check, clock, firstPeriodMs, held, onResult },
        quietMs: quietMs(name, probe),
        onFailure: why => onFailure(name, why),
      }),
    );
  }
}

type Result = (good: boolean, why: string) => void;

/** A program that starts is not to be told of; a dead one is. */
const STARTING_MS = 10_000;

function quietMs(name: ProbeName, { periodSeconds }: Probe): number {
  if (name === "Startup") return STARTING_MS;
  return name === "Readiness" ? periodSeconds * 1000 : 0;
}
