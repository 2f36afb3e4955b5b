/**
 * Certificates of workloads as rows of the graph. A row is there while a stream of its identity is
 * connected (and a little longer), is replaced at about half its life, and is never written
 * anywhere: private keys live in this process's memory and in the streams that are sent them.
 */
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Redacted } from "../base/redacted.ts";
import type { Graph, InputCollection } from "../flow/types.ts";
import type { WorkloadCertificate } from "../model/types.ts";
import type { Authority } from "./authority.ts";
import { adoptableNotAfter, formatSecretVersion } from "./secret-version.ts";

/** Istio's default (DEFAULT_WORKLOAD_CERT_TTL). */
export const LIFETIME_MS: number = 24 * 3600 * 1000;
/** For peers whose clock is behind, as in Istio (ClockSkewGracePeriod). */
const BACKDATE_MS = 2 * 60_000;
/** Rotation is spread over this share of the lifetime, which ends when half of it is over. */
const JITTER = 0.1;
/** A certificate outlives the last stream of its identity by this: a reconnect gets the same one. */
const LINGER_MS = 5 * 60_000;
/** Never sooner than this after the last one, whatever the CA's own end says. */
const ROTATION_GAP_MS_MIN = 1_000;
/** This share of its life a certificate of another replica still has when ours is replaced. */
const SPARE = 1 / 4;
/** The wall clock may jump (a machine that slept), so no timer waits longer than this. */
const WAIT_MS_MAX = 60_000;
const WAIT_MS_MIN = 10;
/** Certificates made in one turn of the event loop, at about half a millisecond each. */
const BATCH_MAX = 20;

export interface WorkloadCertificatesOptions {
  readonly graph: Pick<Graph, "commit">;
  readonly rows: InputCollection<WorkloadCertificate>;
  readonly authority: Authority;
  readonly clock: Clock;
  /** Between 0 and 1, to spread rotation. */
  readonly random: () => number;
  readonly log: Log;
  readonly lifetimeMs?: number;
  readonly lingerMs?: number;
}

export interface WorkloadCertificates {
  /**
   * Sees to it that `identity` has a certificate for as long as somebody holds it. Must be called
   * outside of a commit. `heldVersion` is what the proxy says it has already
   * (`initial_resource_versions`): if it is believable and no certificate exists yet, the one made
   * now gets the same end and so the same version, and the proxy is sent nothing. Give back with
   * the returned function, once.
   */
  hold(identity: string, heldVersion?: string): () => void;
  /**
   * The version of the certificate that `identity` has here, where the one of `heldVersion` does as
   * well for longer than that one stays: another replica has made it, and sending ours would only
   * make work. Undefined where the proxy needs ours.
   */
  versionFor(identity: string, heldVersion: string): string | undefined;
  /** The authority signs otherwise now: all are replaced, spread over so many milliseconds. */
  replaceWithin(ms: number): void;
  /** Certificates that are in memory now. */
  readonly size: number;
  /** Certificates that were made since the start. */
  readonly made: number;
  dispose(): void;
}

interface Entry {
  readonly identity: string;
  holders: number;
  rotateAt: number;
  /** What it has is of another issuer than the next one may be. */
  isReplaced: boolean;
  /** When the last holder left; meaningful while there is none. */
  idleSince: number;
}

export function createWorkloadCertificates(
  options: WorkloadCertificatesOptions,
): WorkloadCertificates {
  return new Issuance(options);
}

class Issuance implements WorkloadCertificates {
  readonly #options: WorkloadCertificatesOptions;
  readonly #lifetimeMs: number;
  readonly #lingerMs: number;
  readonly #entries = new Map<string, Entry>();
  #cancelTimer: () => void = () => {};
  #wakeAt = Number.POSITIVE_INFINITY;
  #made = 0;

  constructor(options: WorkloadCertificatesOptions) {
    this.#options = options;
    this.#lifetimeMs = options.lifetimeMs ?? LIFETIME_MS;
    this.#lingerMs = options.lingerMs ?? LINGER_MS;
  }

  get size(): number {
    return this.#entries.size;
  }

  get made(): number {
    return this.#made;
  }

  replaceWithin(ms: number): void {
    const { clock, random } = this.#options;
    const now = clock.now();
    for (const entry of this.#entries.values()) {
      entry.rotateAt = Math.min(entry.rotateAt, now + ms * random());
      entry.isReplaced = true;
      this.#wakeBy(entry.rotateAt, now);
    }
  }

  hold(identity: string, heldVersion?: string): () => void {
    const now = this.#options.clock.now();
    let entry = this.#entries.get(identity);
    if (entry === undefined) {
      entry = { identity, holders: 0, rotateAt: 0, isReplaced: false, idleSince: now };
      this.#entries.set(identity, entry);
      this.#write("first stream", [this.#certify(entry, now, heldVersion)], []);
    } else if (entry.rotateAt <= now) {
      this.#write("rotation", [this.#certify(entry, now)], []);
    }
    entry.holders++;
    this.#wakeBy(entry.rotateAt, now);
    return this.#giveBackOf(entry);
  }

  versionFor(identity: string, heldVersion: string): string | undefined {
    const { authority, clock, rows } = this.#options;
    const [entry, present] = [this.#entries.get(identity), rows.get(identity)];
    if (entry === undefined || present === undefined || entry.isReplaced) return undefined;
    const lifetimeMs = this.#lifetimeMs;
    const rules = { identity, issuerKeyId: authority.keyId, now: clock.now(), lifetimeMs };
    const notAfter = adoptableNotAfter(heldVersion, rules);
    if (notAfter === undefined) return undefined;
    return entry.rotateAt <= notAfter - SPARE * lifetimeMs ? present.version : undefined;
  }

  dispose(): void {
    this.#cancelTimer();
    this.#wakeAt = Number.POSITIVE_INFINITY;
  }

  #giveBackOf(entry: Entry): () => void {
    let held = true;
    return () => {
      assert(held, `certificate of ${entry.identity} given back twice`);
      held = false;
      entry.holders--;
      if (entry.holders > 0) return;
      const now = this.#options.clock.now();
      entry.idleSince = now;
      this.#wakeBy(now + this.#lingerMs, now);
    };
  }

  /** Makes a certificate and notes when it is due. */
  #certify(entry: Entry, now: number, heldVersion?: string): WorkloadCertificate {
    const { authority, random } = this.#options;
    const identity = entry.identity;
    const rules = { identity, issuerKeyId: authority.keyId, now, lifetimeMs: this.#lifetimeMs };
    const held = heldVersion === undefined ? undefined : adoptableNotAfter(heldVersion, rules);
    const end = Math.min(held ?? now + this.#lifetimeMs, authority.notAfter);
    const notAfter = this.#unlikeThePresent(entry, Math.floor(end / 1000) * 1000);
    entry.isReplaced = false;
    const lifetimeMs = held === undefined ? notAfter - now : this.#lifetimeMs;
    const early = lifetimeMs * (1 / 2 + JITTER * random());
    const over = notAfter <= now;
    if (over) this.#options.log.error("the CA's certificate is over", { identity });
    entry.rotateAt = Math.max(notAfter - early, now + (over ? WAIT_MS_MAX : ROTATION_GAP_MS_MIN));
    const notBefore = now - BACKDATE_MS;
    this.#made++;
    const made = authority.issue({ uris: [identity] }, { notBefore, notAfter });
    return {
      identity,
      certificateChain: made.certificatePem,
      privateKey: new Redacted(made.privateKeyPem),
      version: formatSecretVersion({ identity, issuerKeyId: authority.keyId, notAfter }),
      notBefore,
      notAfter,
    };
  }

  /** With another chain the version must be another one, also where the end would be the same. */
  #unlikeThePresent({ identity, isReplaced }: Entry, notAfter: number): number {
    const present = this.#options.rows.get(identity)?.notAfter;
    return isReplaced && present === notAfter ? notAfter - 1000 : notAfter;
  }

  #write(why: string, made: readonly WorkloadCertificate[], dropped: readonly string[]): void {
    const { graph, rows, clock, log } = this.#options;
    const subject = `certificates (${why}): ${made.length} made, ${dropped.length} dropped`;
    graph.commit({ source: "ca", subject, at: clock.now() }, writer => {
      for (const row of made) writer.set(rows, row.identity, row);
      for (const identity of dropped) writer.delete(rows, identity);
    });
    for (const { identity, notAfter } of made)
      log.debug("certificate made", { identity, why, notAfter });
  }

  #wakeBy(at: number, now: number): void {
    const wakeAt = Math.min(Math.max(at, now + WAIT_MS_MIN), now + WAIT_MS_MAX);
    if (wakeAt >= this.#wakeAt) return;
    this.#cancelTimer();
    this.#wakeAt = wakeAt;
    this.#cancelTimer = this.#options.clock.after(wakeAt - now, () => this.#sweep());
  }

  /** Renews what is due and drops what nobody holds; the rest of a large batch in later turns. */
  #sweep(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    const now = this.#options.clock.now();
    const made: WorkloadCertificate[] = [];
    const dropped: string[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) {
      const dropAt =
        entry.holders > 0 ? Number.POSITIVE_INFINITY : entry.idleSince + this.#lingerMs;
      if (dropAt <= now) {
        this.#entries.delete(entry.identity);
        dropped.push(entry.identity);
      } else {
        if (entry.rotateAt <= now && made.length < BATCH_MAX) made.push(this.#certify(entry, now));
        next = Math.min(next, entry.rotateAt, dropAt);
      }
    }
    if (made.length + dropped.length > 0) this.#write("rotation", made, dropped);
    if (this.#entries.size > 0) this.#wakeBy(next, now);
  }
}
