import { assert } from "../base/assert.ts";
import { Feed } from "./feed.ts";
import type { StreamLimits } from "./limits.ts";
import type { Request } from "./request.ts";
import type { SnapshotCache } from "./snapshot.ts";
import { appliesOneByOne, isWholeType } from "./type-order.ts";
import type { Connection, Resource } from "./types.ts";

/** What the next response of a type holds. */
export interface Emission {
  readonly resources: readonly Resource[];
  /** Delta only. */
  readonly removed: readonly string[];
  /** Those among `resources` that the client does not have yet in this version. */
  readonly changed: readonly Resource[];
  readonly revision: number;
  /** State of the world: the `version_info`. */
  readonly version: string;
}

/** A response that the client has not answered. Its resources are shared; it lives one round trip. */
export interface InFlight {
  readonly nonce: string;
  readonly revision: number;
  readonly resources: readonly Resource[];
  readonly sentAtMs: number;
}

export interface SubscriptionContext {
  readonly form: "delta" | "sotw";
  readonly connection: Connection;
  readonly snapshots: SnapshotCache;
  readonly limits: StreamLimits;
  readonly wake: () => void;
}

const none: readonly never[] = [];
/** Responses without an answer that are remembered; more only when answers are overdue. */
const IN_FLIGHT_MAX = 4;

/**
 * What one stream wants of one type, and how far it has got. Holds two feeds and a few sets of
 * exceptions, each empty as soon as the client has what it asked for.
 */
export class Subscription {
  readonly type: string;
  readonly #context: SubscriptionContext;
  #wildcard: Feed | undefined;
  #named: Feed | undefined;
  /** Explicit names, a list shared with other streams. */
  #names: readonly string[] = none;
  /** Explicit names that come (true) or go, until the set is asked for. */
  #queued: Map<string, boolean> | undefined;
  /** Names asked for: answered also when there is no such resource. */
  readonly #asked = new Set<string>();
  /** Names that changed. */
  readonly #pending = new Set<string>();
  /** Versions that the client rejected, by name: not sent again to this stream. */
  readonly #rejected = new Map<string, string>();
  /** Parts of rejected responses, sent again in halves until the culprits are alone. */
  readonly #suspects: (readonly string[])[] = [];
  /** Removals that wait for other types; in the whole form with the resource to keep. */
  readonly #deferred = new Map<string, Resource | undefined>();
  #deferredRevision = -1;
  #answerDue = false;
  /** What the client said it has, until the first response was made. */
  #known: ReadonlyMap<string, string> | undefined;
  #knownVersion = "";
  #lastWhole: readonly Resource[] = none;
  #inFlight: readonly InFlight[] = none;
  #overdue = false;
  #ackedRevision = -1;

  constructor(type: string, context: SubscriptionContext) {
    this.type = type;
    this.#context = context;
  }

  // --- what the client says -------------------------------------------------------------------

  /** Names that are subscribed explicitly, an upper bound while changes wait to be taken. */
  get nameCount(): number {
    return this.#names.length + (this.#queued?.size ?? 0);
  }

  /** The first request for the type on this stream. */
  open(request: Request): void {
    const { connection, form } = this.#context;
    const delta = form === "delta";
    if (request.initialVersions.size > 0) connection.has?.(this.type, request.initialVersions);
    const wild = request.subscribe.length === 0 || request.subscribe.includes("*");
    if (wild) this.#openWildcard();
    for (const name of request.subscribe) if (name !== "*") this.#queue(name, true);
    this.#known = request.initialVersions.size > 0 ? request.initialVersions : undefined;
    this.#knownVersion = request.versionInfo;
    this.#answerDue = delta ? wild && this.#known === undefined : true;
  }

  /** A later delta request: names come and go one by one. */
  change(request: Request): void {
    for (const name of request.subscribe) {
      if (name === "*") this.#openWildcard();
      else this.#ask(name);
    }
    for (const name of request.unsubscribe) {
      if (name === "*") this.#closeWildcard();
      else this.#drop(name);
    }
  }

  /** A later state-of-the-world request: always all names. */
  replace(names: readonly string[]): void {
    this.#rebuild();
    const wild = names.includes("*") || (names.length === 0 && this.#named === undefined);
    if (wild) this.#openWildcard();
    else this.#closeWildcard();
    const now = new Set(names);
    now.delete("*");
    const had = new Set(this.#names);
    for (const name of had) if (!now.has(name)) this.#drop(name);
    for (const name of now) {
      if (had.has(name)) continue;
      this.#ask(name);
      this.#answerDue = true;
    }
  }

  /** Sends these again: what the client made of them depends on something that changed. */
  force(names: Iterable<string>): void {
    for (const name of names) {
      if (this.#subscribes(name) || this.#queued?.get(name) === true) this.#asked.add(name);
    }
  }

  #ask(name: string): void {
    this.#queue(name, true);
    this.#asked.add(name);
    this.#rejected.delete(name);
  }

  #drop(name: string): void {
    this.#queue(name, false);
    this.#rejected.delete(name);
    if (this.#wildcard === undefined) {
      this.#asked.delete(name);
      this.#pending.delete(name);
    } else {
      // Still covered by the wildcard: the answer says whether the resource stays.
      this.#asked.add(name);
    }
  }

  #queue(name: string, wanted: boolean): void {
    this.#queued ??= new Map();
    this.#queued.set(name, wanted);
  }

  #openWildcard(): void {
    if (this.#wildcard !== undefined) return;
    const set = this.#context.connection.wildcard(this.type);
    if (set !== undefined) this.#wildcard = new Feed(set, this.#context.wake);
  }

  #closeWildcard(): void {
    if (this.#wildcard === undefined) return;
    this.#wildcard.close();
    this.#wildcard = undefined;
    // Named ones must be sent again: the client may have forgotten them with the rest.
    for (const name of this.#names) this.#asked.add(name);
  }

  /** The proxy's class changed: the same names mean other resources. */
  reclassify(): void {
    const { connection } = this.#context;
    if (this.#wildcard !== undefined) {
      const set = connection.wildcard(this.type);
      if (set !== undefined) this.#wildcard.exchange(set);
    }
    if (this.#named !== undefined) this.#follow(this.#named, this.#names);
  }

  // --- answers --------------------------------------------------------------------------------

  get busy(): boolean {
    return this.#inFlight.length > 0 && !this.#overdue;
  }

  get inFlight(): readonly InFlight[] {
    return this.#inFlight;
  }

  sent(response: InFlight): void {
    this.#inFlight = [...this.#inFlight.slice(1 - IN_FLIGHT_MAX), response];
    this.#overdue = false;
  }

  /** True when a response has just become overdue. */
  tick(nowMs: number): boolean {
    const newest = this.#inFlight.at(-1);
    if (newest === undefined || this.#overdue) return false;
    this.#overdue = nowMs - newest.sentAtMs >= this.#context.limits.ackWaitMs;
    return this.#overdue;
  }

  /** The response that a nonce answers, with all before it taken as answered; or undefined. */
  answer(nonce: string, rejected: boolean): InFlight | undefined {
    const place = this.#inFlight.findIndex(response => response.nonce === nonce);
    const response = this.#inFlight[place];
    if (response === undefined) return undefined;
    this.#inFlight = this.#inFlight.slice(place + 1);
    if (rejected) this.#reject(response);
    else this.#ackedRevision = Math.max(this.#ackedRevision, response.revision);
    return response;
  }

  #reject(response: InFlight): void {
    if (this.#whole) return;
    const { resources } = response;
    if (appliesOneByOne(this.type) || resources.length <= 1) {
      for (const { name, version } of resources) this.#rejected.set(name, version);
      return;
    }
    const half = Math.ceil(resources.length / 2);
    const names = resources.map(resource => resource.name);
    this.#suspects.push(names.slice(0, half), names.slice(half));
  }

  // --- what to send ---------------------------------------------------------------------------

  /** True when nothing that changed up to `revision` is still to be accepted by the client. */
  caughtUp(revision: number): boolean {
    if (this.#ackedRevision >= revision) return true;
    return !this.busy && !this.#hasWork && !this.#answerDue && this.#revision >= revision;
  }

  /** Revision of the graph at which removals were put off, or undefined if there are none. */
  get deferredRevision(): number | undefined {
    return this.#deferred.size > 0 ? this.#deferredRevision : undefined;
  }

  /**
   * Takes what changed. `unsettled` when `stop` came before everything was built, `lost` when the
   * client is so far behind that it has to say what it has.
   */
  prepare(stop: () => boolean): "ready" | "unsettled" | "lost" {
    this.#rebuild();
    for (const feed of this.#feeds()) if (!feed.settle(stop)) return "unsettled";
    if (this.#isUpToDate()) {
      this.#answerDue = false;
      for (const feed of this.#feeds()) feed.skip();
      if (this.#whole) this.#lastWhole = this.#all();
    }
    this.#knownVersion = "";
    const known = this.#known;
    this.#known = undefined;
    if (known !== undefined) this.#takeKnown(known);
    let complete = true;
    for (const feed of this.#feeds()) {
      if (feed.fresh) {
        if (!this.#canSendAtOnce(feed)) this.#expand(feed);
      } else if (!feed.take(this.#pending)) complete = false;
    }
    return complete ? "ready" : "lost";
  }

  /** The next response, or undefined. `removals` says whether resources may be taken away now. */
  emit(removals: boolean): Emission | undefined {
    const emission = this.#whole ? this.#emitWhole(removals) : this.#emitChanged(removals);
    if (emission === undefined) return undefined;
    this.#answerDue = false;
    return emission;
  }

  close(): void {
    for (const feed of this.#feeds()) feed.close();
    this.#wildcard = undefined;
    this.#named = undefined;
  }

  /** For tests of memory: entries held beside the shared sets. */
  get ownEntries(): number {
    let count = this.#queued?.size ?? 0;
    count += this.#asked.size + this.#pending.size + this.#rejected.size + this.#deferred.size;
    for (const names of this.#suspects) count += names.length;
    return count + (this.#known?.size ?? 0);
  }

  get #whole(): boolean {
    if (this.#context.form === "delta") return false;
    return isWholeType(this.type) || this.#wildcard !== undefined;
  }

  get #revision(): number {
    let revision = -1;
    for (const feed of this.#feeds()) revision = Math.max(revision, feed.revision);
    return revision;
  }

  get #hasWork(): boolean {
    return this.#asked.size + this.#pending.size + this.#suspects.length > 0;
  }

  *#feeds(): Generator<Feed> {
    if (this.#wildcard !== undefined) yield this.#wildcard;
    if (this.#named !== undefined) yield this.#named;
  }

  #subscribes(name: string): boolean {
    return this.#wildcard?.has(name) === true || this.#named?.has(name) === true;
  }

  /** What can not be built now is not gone: the client keeps what it has. */
  #failed(name: string): boolean {
    return this.#wildcard?.set.failed(name) === true || this.#named?.set.failed(name) === true;
  }

  #resource(name: string): Resource | undefined {
    return this.#wildcard?.resource(name) ?? this.#named?.resource(name);
  }

  #rebuild(): void {
    const queued = this.#queued;
    if (queued === undefined) return;
    this.#queued = undefined;
    const names = new Set(this.#names);
    for (const [name, wanted] of queued) {
      if (wanted) names.add(name);
      else names.delete(name);
    }
    this.#follow(this.#named, [...names].sort());
  }

  #follow(feed: Feed | undefined, names: readonly string[]): void {
    const { connection, snapshots, wake } = this.#context;
    const set = connection.named(this.type, names);
    if (feed === undefined) this.#named = new Feed(set, wake);
    else feed.exchange(set);
    this.#names = snapshots.sharedNames(set, names);
  }

  #isUpToDate(): boolean {
    if (this.#knownVersion === "" || this.#asked.size > 0) return false;
    return this.#knownVersion === this.#digest();
  }

  #digest(): string {
    const digests: string[] = [];
    for (const feed of this.#feeds()) digests.push(this.#context.snapshots.digest(feed.set));
    return digests.join("-");
  }

  /** A client that comes back: only what differs from what it has. */
  #takeKnown(known: ReadonlyMap<string, string>): void {
    for (const feed of this.#feeds()) {
      if (!feed.fresh) continue;
      const into = feed === this.#named ? this.#asked : this.#pending;
      for (const name of feed.set.names()) {
        const version = this.#resource(name)?.version;
        if (version === undefined ? feed === this.#named : version !== known.get(name))
          into.add(name);
      }
      feed.skip();
    }
    if (this.#wildcard === undefined) return;
    for (const name of known.keys()) {
      if (this.#resource(name) === undefined) this.#pending.add(name);
    }
  }

  /** Everything goes into one response, for which no names need to be collected. */
  #canSendAtOnce(feed: Feed): boolean {
    if (this.#whole) return true;
    if (feed === this.#wildcard ? this.#named !== undefined : this.#wildcard !== undefined)
      return false;
    const { bytes } = this.#context.snapshots.of(feed.set);
    return bytes <= this.#context.limits.responseBytesSoft && this.#pending.size === 0;
  }

  #expand(feed: Feed): void {
    if (feed === this.#named) for (const name of feed.set.names()) this.#asked.add(name);
    else {
      for (const { name } of this.#context.snapshots.of(feed.set).resources)
        this.#pending.add(name);
    }
    feed.skip();
  }

  /** Delta, and the types of the other form of which a part may be sent. */
  #emitChanged(removals: boolean): Emission | undefined {
    for (const feed of this.#feeds()) if (feed.fresh) return this.#emitAtOnce(feed);
    const resources: Resource[] = [];
    const removed: string[] = [];
    const maxBytes = this.#context.limits.responseBytesSoft;
    let bytes = this.#pick(this.#asked, true, maxBytes, resources, removed);
    if (removals) for (const name of this.#deferred.keys()) this.#pending.add(name);
    bytes += this.#pick(this.#pending, removals, maxBytes - bytes, resources, removed);
    if (bytes === 0) this.#pickSuspects(resources);
    const delta = this.#context.form === "delta";
    if (resources.length === 0 && (removed.length === 0 || !delta) && !this.#answerDue)
      return undefined;
    return {
      resources,
      removed: delta ? removed : none,
      changed: resources,
      revision: this.#revision,
      version: this.#version(),
    };
  }

  #emitAtOnce(feed: Feed): Emission | undefined {
    const { resources, missing } = this.#context.snapshots.of(feed.set);
    feed.skip();
    this.#asked.clear();
    const removed = feed === this.#named && this.#context.form === "delta" ? missing : none;
    if (resources.length === 0 && removed.length === 0 && !this.#answerDue) return undefined;
    const version = this.#version();
    return { resources, removed, changed: resources, revision: feed.revision, version };
  }

  /** Moves names into a response until it has `maxBytes`; returns the bytes taken. */
  #pick(
    names: Set<string>,
    removals: boolean,
    maxBytes: number,
    resources: Resource[],
    removed: string[],
  ): number {
    let bytes = 0;
    for (const name of names) {
      if (bytes >= maxBytes) break;
      names.delete(name);
      this.#pending.delete(name);
      const resource = this.#resource(name);
      if (resource === undefined) {
        if (this.#wildcard === undefined && !this.#subscribes(name)) continue;
        if (this.#failed(name)) continue;
        this.#rejected.delete(name);
        if (removals) removed.push(name);
        else this.#defer(name, undefined);
        if (removals) this.#deferred.delete(name);
        continue;
      }
      this.#deferred.delete(name);
      if (this.#rejected.get(name) === resource.version) continue;
      this.#rejected.delete(name);
      resources.push(resource);
      bytes += resource.deltaField.length;
    }
    return bytes;
  }

  #pickSuspects(resources: Resource[]): void {
    for (const name of this.#suspects.pop() ?? none) {
      const resource = this.#resource(name);
      if (resource !== undefined && this.#rejected.get(name) !== resource.version)
        resources.push(resource);
    }
  }

  #defer(name: string, kept: Resource | undefined): void {
    this.#deferred.set(name, kept);
    this.#deferredRevision = this.#revision;
  }

  #emitWhole(removals: boolean): Emission | undefined {
    let fresh = false;
    for (const feed of this.#feeds()) {
      if (!feed.fresh) continue;
      fresh = true;
      feed.skip();
    }
    const changed: Resource[] = [];
    let shrinks = removals && this.#deferred.size > 0;
    if (removals) this.#deferred.clear();
    for (const name of [...this.#asked, ...this.#pending]) {
      const resource = this.#resource(name);
      if (resource !== undefined) {
        this.#deferred.delete(name);
        changed.push(resource);
        continue;
      }
      const kept = this.#lastWhole.find(last => last.name === name);
      if (kept === undefined) continue;
      if (removals) shrinks = true;
      else this.#defer(name, kept);
    }
    this.#asked.clear();
    this.#pending.clear();
    if (!fresh && changed.length === 0 && !shrinks && !this.#answerDue) return undefined;
    const resources = this.#all();
    this.#lastWhole = resources;
    const revision = this.#revision;
    const version = this.#version();
    return { resources, removed: none, changed: fresh ? resources : changed, revision, version };
  }

  /** All that the client shall have, with what is kept for now. */
  #all(): readonly Resource[] {
    const { snapshots } = this.#context;
    const feeds = [...this.#feeds()];
    const [first] = feeds;
    if (first === undefined) return none;
    const base = snapshots.of(first.set).resources;
    if (feeds.length === 1 && this.#deferred.size === 0) return base;
    const byName = new Map(base.map(resource => [resource.name, resource]));
    for (const feed of feeds.slice(1)) {
      for (const resource of snapshots.of(feed.set).resources) byName.set(resource.name, resource);
    }
    for (const [name, kept] of this.#deferred) {
      assert(kept !== undefined, `a removal of ${name} was put off without what to keep`);
      byName.set(name, kept);
    }
    return [...byName.values()];
  }

  /**
   * A version that a client may show to say that it has everything. Where it has not (parts are
   * still to come, or were rejected), the version must equal no later one.
   */
  #version(): string {
    if (this.#context.form === "delta") return String(this.#revision);
    const partial = this.#hasWork || this.#rejected.size > 0 || this.#deferred.size > 0;
    const digest = this.#digest();
    return partial ? `${digest}+${this.#revision}` : digest;
  }
}
