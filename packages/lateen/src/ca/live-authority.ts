/**
 * The CA that is in force, and how another one takes its place without anybody losing trust: roots are
 * spread before anything is issued under them, and stay for as long as what was issued under them may
 * be in use. What would cut proxies off is held back.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Authority, OpenedAuthority } from "./authority.ts";
import { type CaChange, openIssuer } from "./ca-change.ts";
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

interface GivenOut {
  /** Milliseconds, as all replicas know it, by the clock of whoever was last; 0: long since. */
  readonly since: number;
  /** What counts here: not yet to come by our own clock, nor while nobody may have given it out. */
  readonly from: number;
  /** The material here has asked for it; else only another replica gives it out. */
  readonly isAskedFor: boolean;
}

export class LiveAuthority implements Authority {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #spreadMs: number;
  readonly #listeners = new Set<(change: AuthorityChange) => void>();
  readonly #movedListeners = new Set<() => void>();
  #issuer: OpenedAuthority;
  #target: OpenedAuthority;
  /** Roots that are given out. */
  readonly #roots = new Map<string, GivenOut>();
  /** When the issuer became another one, as all replicas know it; 0: long since. */
  #switchedAt = 0;
  /** The same, as it counts here. */
  #switchedFrom = 0;
  /** `issuerId` of what another replica signs with. */
  #elsewhere = "";
  #given = "";
  #moved = "";
  #trouble = "";
  #cancel: () => void = () => {};

  /** `kept`: a change that was on its way when it was written; undefined: there is none. */
  constructor(first: OpenedAuthority, options: LiveAuthorityOptions, kept?: CaChange) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#spreadMs = options.spreadMs;
    this.#issuer = first;
    this.#target = first;
    if (kept === undefined) this.#addRoots(0);
    else this.#resume(kept);
    this.#given = this.roots.join("");
    this.#moved = this.#signature();
  }

  get keyId(): string {
    return this.#issuer.keyId;
  }

  get notAfter(): number {
    return this.#issuer.notAfter;
  }

  /** In one order at all replicas: first those that are asked for. */
  get roots(): readonly string[] {
    return [...this.#target.roots, ...this.#leftOver()];
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
    if (!this.#isSwitched()) return { phase: "spreading", trouble };
    return { phase: this.#leftOver().length === 0 ? "settled" : "retiring", trouble };
  }

  /** What a control plane that starts now has to know; undefined: the CA's Secret says it all. */
  get change(): CaChange | undefined {
    if (this.#settledAt() <= this.#clock.now() && this.#leftOver().length === 0) return undefined;
    return {
      roots: new Map(this.roots.map(root => [root, this.#roots.get(root)?.since ?? 0])),
      switchedAt: this.#switchedAt,
      issuerId: this.#issuer.issuerId,
      issuer: this.#isSwitched() ? undefined : this.#issuer.material,
    };
  }

  issue(names: SubjectNames, period: Period): KeyedCertificate {
    return this.#issuer.issue(names, period);
  }

  /** Called after each change; the function returned ends that. */
  onChanged(listener: (change: AuthorityChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Called when `change` has become another one. */
  onMoved(listener: () => void): () => void {
    this.#movedListeners.add(listener);
    return () => void this.#movedListeners.delete(listener);
  }

  /** Takes other material, at once as far as that is safe and the rest later. */
  offer(next: OpenedAuthority): void {
    this.#trouble = "";
    // What another one signs with says nothing of what is asked for later.
    if (this.#elsewhere !== next.issuerId) this.#elsewhere = "";
    this.#target = next;
    this.#advance();
  }

  /** No change is kept any more: nobody is before us with one. */
  learnNone(): void {
    this.#elsewhere = "";
  }

  /** Where another replica is with the same change: nobody goes on before all can follow. */
  learn({ roots, switchedAt, issuerId, issuer }: CaChange): void {
    const now = this.#clock.now();
    for (const [root, since] of roots) {
      const own = this.#roots.get(root);
      if (own !== undefined && since <= own.since) continue;
      const from = Math.max(Math.min(since, now), own?.from ?? 0);
      this.#roots.set(root, { since, from, isAskedFor: own?.isAskedFor ?? false });
    }
    if (switchedAt > this.#switchedAt) {
      this.#switchedAt = switchedAt;
      this.#switchedFrom = Math.max(this.#switchedFrom, Math.min(switchedAt, now));
    }
    // It goes on signing as before for a moment: what it signed last has to stay trusted.
    const isBehind = issuer !== undefined && issuerId !== this.#issuer.issuerId;
    if (isBehind && this.#isSwitched()) this.#markSwitched(now);
    // Who keeps what signs has not switched: it waits as we do.
    this.#elsewhere = issuer === undefined ? issuerId : "";
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
    this.#movedListeners.clear();
  }

  #resume(kept: CaChange): void {
    const now = this.#clock.now();
    const issuer = openIssuer(kept, now);
    if (issuer?.ok === true) this.#issuer = issuer.value;
    // What has signed until now can not any more, and what it has signed is in use.
    else if (kept.issuerId !== this.#target.issuerId) this.#markSwitched(now);
    if (issuer?.ok === false) {
      const error = issuer.diagnostics.map(({ path, message }) => `${path} ${message}`).join("; ");
      this.#log.warn("what signed when a change of the CA was kept signs no more", { error });
    }
    this.#switchedAt = Math.max(this.#switchedAt, kept.switchedAt);
    this.#switchedFrom = Math.max(this.#switchedFrom, Math.min(kept.switchedAt, now));
    for (const [root, since] of kept.roots) {
      // Nobody may have given it out while nothing ran. Replicas that did run go before us.
      const isAnew = since > 0 && !this.#issuer.leadsTo(root);
      this.#roots.set(root, { since, from: isAnew ? now : Math.min(since, now), isAskedFor: true });
    }
    this.#log.info("a change of the CA goes on", { rootCount: kept.roots.size });
    this.#advance();
  }

  /** Does what is due. */
  #advance(): void {
    this.#cancel();
    const now = this.#clock.now();
    const issuerBefore = this.#issuer;
    const rootsBefore = this.#given;
    this.#addRoots(now);
    const switchAt = this.#switchAt();
    if (switchAt <= now && !this.#isSwitched()) this.#markSwitched(now);
    // Also where only the roots of the same issuer are others.
    if (switchAt <= now) this.#issuer = this.#target;
    const dropAt = this.#dropRoots(now);
    if (this.change === undefined) this.#elsewhere = "";
    const due = [switchAt, dropAt, this.#settledAt()].filter(at => at > now);
    const waitFor = Math.min(...due);
    if (waitFor < Number.POSITIVE_INFINITY) this.#wake(waitFor - now);
    const issuer = issuerBefore.issuerId !== this.#issuer.issuerId;
    this.#given = this.roots.join("");
    const roots = rootsBefore !== this.#given;
    if (issuer || roots) this.#tell({ issuer, roots });
    this.#tellMoved();
  }

  /** Later than all that is known, also of clocks that go before ours. */
  #markSwitched(now: number): void {
    this.#switchedAt = Math.max(now, this.#switchedAt + 1);
    this.#switchedFrom = now;
  }

  #isSwitched(): boolean {
    return this.#issuer.issuerId === this.#target.issuerId;
  }

  #leftOver(): readonly string[] {
    const asked = new Set(this.#target.roots);
    return [...this.#roots.keys()].filter(root => !asked.has(root)).sort();
  }

  #addRoots(from: number): void {
    for (const root of this.#target.roots) {
      const own = this.#roots.get(root);
      if (own?.isAskedFor === true) continue;
      this.#roots.set(root, { since: Math.max(from, own?.since ?? 0), from, isAskedFor: true });
    }
  }

  /** When everybody has a root that the target leads to. */
  #switchAt(): number {
    if (this.#isSwitched() || this.#elsewhere === this.#target.issuerId) return 0;
    const since = [...this.#roots]
      .filter(([root]) => this.#target.leadsTo(root))
      .map(([, given]) => given.from);
    return Math.min(...since) + this.#spreadMs;
  }

  /** When nothing of a change is left; infinite while it waits for something. */
  #settledAt(): number {
    if (!this.#isSwitched()) return Number.POSITIVE_INFINITY;
    const since = [...this.#roots.values()].map(given => given.from);
    return Math.max(...since.map(at => at + this.#spreadMs), this.#retiredAt([]));
  }

  /** Reissued within one such time, and known to everybody after another. */
  #retiredAt(given: readonly number[]): number {
    return Math.max(this.#switchedFrom, ...given) + 2 * this.#spreadMs;
  }

  /**
   * Roots that are asked for no more go when all has been replaced that was issued before the last
   * change of the issuer. When that is; infinite where none is left over.
   */
  #dropRoots(now: number): number {
    const left = this.#leftOver();
    if (left.length === 0 || !this.#isSwitched()) return Number.POSITIVE_INFINITY;
    // What was asked for a moment ago may have signed already, at another replica.
    const dropAt = this.#retiredAt(left.map(root => this.#roots.get(root)?.from ?? 0));
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

  #tellMoved(): void {
    const before = this.#moved;
    this.#moved = this.#signature();
    if (before !== this.#moved) for (const listener of this.#movedListeners) listener();
  }

  #signature(): string {
    const { change } = this;
    if (change === undefined) return "";
    const { roots, switchedAt, issuerId } = change;
    return JSON.stringify([[...roots], switchedAt, issuerId]);
  }
}
