/**
 * The CA that is in force, and how another one takes its place without anybody losing trust: roots are
 * spread before anything is issued under them, and stay for as long as what was issued under them may
 * be in use. What would cut proxies off is held back.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Authority, OpenedAuthority } from "./authority.ts";
import type { KeyedCertificate, Period, SubjectNames } from "./certificate.ts";

/**
 * Until a root that is given out is trusted by all: streams take a moment, but kubelets bring
 * ConfigMaps to running pods with their next sync only, every minute or so.
 */
export const ROOT_SPREAD_MS = 120_000;
/** Timers never wait longer: the wall clock may jump. */
const WAIT_MS_MAX = 60_000;
const WAIT_MS_MIN = 10;

export interface LiveAuthorityOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly spreadMs: number;
}

/** What changed: what is trusted, or what signs. */
export interface AuthorityChange {
  readonly roots: boolean;
  readonly issuer: boolean;
}

/** What of the CA's material is not in force, for people and metrics. */
export interface CaState {
  /**
   * `settled`: what is asked for is in force; `spreading`: a new issuer waits for its root to be
   * trusted; `retiring`: old roots stay until certificates are replaced; `refused`: see `trouble`.
   */
  readonly phase: "settled" | "spreading" | "retiring" | "refused";
  /** Why the newest material is not taken; "" otherwise. */
  readonly trouble: string;
}

export class LiveAuthority implements Authority {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #spreadMs: number;
  readonly #listeners = new Set<(change: AuthorityChange) => void>();
  #issuer: OpenedAuthority;
  #target: OpenedAuthority;
  /** Roots that are given out, with the time since when. */
  #roots: Map<string, number>;
  /** When the issuer became another one. */
  #switchedAt = Number.NEGATIVE_INFINITY;
  #trouble = "";
  #cancel: () => void = () => {};

  constructor(first: OpenedAuthority, options: LiveAuthorityOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#spreadMs = options.spreadMs;
    this.#issuer = first;
    this.#target = first;
    this.#roots = new Map(first.roots.map(root => [root, Number.NEGATIVE_INFINITY]));
  }

  get keyId(): string {
    return this.#issuer.keyId;
  }

  get notAfter(): number {
    return this.#issuer.notAfter;
  }

  get roots(): readonly string[] {
    return [...this.#roots.keys()];
  }

  get rootsNotAfter(): number {
    return this.#target.rootsNotAfter;
  }

  get spreadMs(): number {
    return this.#spreadMs;
  }

  get state(): CaState {
    const trouble = this.#trouble;
    if (trouble !== "") return { phase: "refused", trouble };
    if (this.#issuer.issuerId !== this.#target.issuerId) return { phase: "spreading", trouble };
    const settled = this.#roots.size === this.#target.roots.length;
    return { phase: settled ? "settled" : "retiring", trouble };
  }

  issue(names: SubjectNames, period: Period): KeyedCertificate {
    return this.#issuer.issue(names, period);
  }

  /** Called after each change; the function returned ends that. */
  onChanged(listener: (change: AuthorityChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Takes other material, at once as far as that is safe and the rest later. Held back where proxies
   * trust nothing of it and would no longer trust what they have; the state says so then.
   */
  offer(next: OpenedAuthority): void {
    const trusted = this.roots.some(root => next.leadsTo(root));
    const trusting = next.roots.some(root => this.#issuer.leadsTo(root));
    if (!trusted && !trusting) {
      this.refuse(
        "its root is not trusted in this mesh yet, and the present root is not in root-cert.pem: " +
          "every proxy would be cut off; first let root-cert.pem hold the present root beside the new one",
      );
      return;
    }
    this.#trouble = "";
    this.#target = next;
    this.#advance();
  }

  /** Other material can not be taken; what is in force stays. `why` never holds any of its content. */
  refuse(why: string): void {
    if (why === this.#trouble) return;
    this.#trouble = why;
    this.#log.error("CA material refused; what was in force stays", { reason: why });
  }

  dispose(): void {
    this.#cancel();
    this.#listeners.clear();
  }

  /** Does what is due. */
  #advance(): void {
    this.#cancel();
    const now = this.#clock.now();
    const issuerBefore = this.#issuer;
    const rootsBefore = this.roots;
    this.#addRoots(now);
    const switchAt = this.#switchAt();
    if (switchAt <= now && this.#issuer.issuerId !== this.#target.issuerId) this.#switchedAt = now;
    // Also where only the roots of the same issuer are others.
    if (switchAt <= now) this.#issuer = this.#target;
    const dropAt = this.#dropRoots(now);
    const waitFor = Math.min(switchAt > now ? switchAt : Number.POSITIVE_INFINITY, dropAt);
    if (waitFor < Number.POSITIVE_INFINITY) this.#wake(waitFor - now);
    const issuer = issuerBefore.issuerId !== this.#issuer.issuerId;
    const roots = rootsBefore.join() !== this.roots.join();
    if (issuer || roots) this.#tell({ issuer, roots });
  }

  #addRoots(now: number): void {
    for (const root of this.#target.roots) if (!this.#roots.has(root)) this.#roots.set(root, now);
  }

  /** When everybody has a root that the target leads to. */
  #switchAt(): number {
    if (this.#issuer.issuerId === this.#target.issuerId) return Number.NEGATIVE_INFINITY;
    const since = [...this.#roots]
      .filter(([root]) => this.#target.leadsTo(root))
      .map(([, at]) => at);
    return Math.min(...since) + this.#spreadMs;
  }

  /**
   * Roots that are asked for no more go when all has been replaced that was issued before the last
   * change of the issuer. When that is; infinite where none is left over.
   */
  #dropRoots(now: number): number {
    const left = this.roots.filter(root => !this.#target.roots.includes(root));
    if (left.length === 0) return Number.POSITIVE_INFINITY;
    if (this.#issuer.issuerId !== this.#target.issuerId) return Number.POSITIVE_INFINITY;
    // Reissued within one such time, and known to everybody after another. What was asked for a moment
    // ago may have signed already, at a replica that has started meanwhile.
    const given = left.map(root => this.#roots.get(root) ?? now);
    const dropAt = Math.max(this.#switchedAt, ...given) + 2 * this.#spreadMs;
    if (dropAt > now) return dropAt;
    for (const root of left) this.#roots.delete(root);
    return Number.POSITIVE_INFINITY;
  }

  #wake(afterMs: number): void {
    const wait = Math.min(Math.max(afterMs, WAIT_MS_MIN), WAIT_MS_MAX);
    this.#cancel = this.#clock.after(wait, () => this.#advance());
  }

  #tell(change: AuthorityChange): void {
    const { phase } = this.state;
    const { issuer, roots } = change;
    this.#log.info("CA changed", { issuer, roots, rootCount: this.#roots.size, phase });
    for (const listener of this.#listeners) listener(change);
  }
}
