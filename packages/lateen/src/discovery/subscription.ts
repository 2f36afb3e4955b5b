import { assert } from "../base/assert.ts";
import { Backlog, type Lookup, type Picked } from "./backlog.ts";
import { Feed } from "./feed.ts";
import { type InFlight, InFlights } from "./in-flight.ts";
import type { StreamLimits } from "./limits.ts";
import { NameList } from "./name-list.ts";
import type { Request } from "./request.ts";
import { absentResource } from "./response.ts";
import type { ResourceList, SnapshotCache } from "./snapshot.ts";
import { appliesOneByOne, isWholeType, virtualHostType } from "./type-order.ts";
import type { Connection, Resource } from "./types.ts";

/** What the next response of a type holds. */
export interface Emission {
  readonly resources: ResourceList;
  /** Delta only. */
  readonly removed: readonly string[];
  /** Those among `resources` that the client does not have yet in this version. */
  readonly changed: readonly Resource[];
  /** True when some of them are names that the client has just asked for. */
  readonly answers: boolean;
  readonly revision: number;
  /** `system_version_info` or `version_info`. */
  readonly version: string;
}

export interface SubscriptionContext {
  readonly form: "delta" | "sotw";
  readonly connection: Connection;
  readonly snapshots: SnapshotCache;
  readonly limits: StreamLimits;
  readonly wake: () => void;
}

const none: readonly never[] = [];
/** So many characters cost as much as the rest of what a name needs. */
const LONG_NAME_CHARS = 512;

/**
 * What one stream wants of one type, and how far it has got. Holds two feeds and a few exceptions,
 * which are empty as soon as the client has what it asked for.
 */
export class Subscription implements Lookup {
  readonly type: string;
  readonly inFlight: InFlights;
  readonly #context: SubscriptionContext;
  #wildcard: Feed | undefined;
  #named: Feed | undefined;
  readonly #names = new NameList();
  readonly #backlog = new Backlog();
  #deferredRevision = -1;
  #isCounted = true;
  #unanswered = 0;
  #answerDue = false;
  #looked = 0;
  /** What the client said it has, until the first response was made. */
  #known: ReadonlyMap<string, string> | undefined;
  #knownVersion = "";
  /** The client said what it has, and it is not known yet whether that is everything. */
  #resumed = false;
  /** The whole form: what was sent last, shared with others. */
  #lastWhole: readonly Resource[] = none;

  constructor(type: string, context: SubscriptionContext) {
    this.type = type;
    this.#context = context;
    this.inFlight = new InFlights(context.limits.ackWaitMs);
  }

  // What the client says.

  /** Names that are subscribed explicitly. */
  get nameCount(): number {
    return this.#names.size;
  }

  /** Names whose coming or going has not been taken over yet. */
  get namesQueued(): number {
    return this.#names.queuedSize;
  }

  /** Names of lists that were gone through anew for a change of some, since this was asked last. */
  takeLooked(): number {
    const looked = this.#looked;
    this.#looked = 0;
    return looked;
  }

  /** As of when the names were last taken over: those that no resource answered to. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** The first request for the type on this stream. */
  open(request: Request): void {
    const { connection, form } = this.#context;
    if (request.initialVersions.size > 0) {
      const { initialVersions } = request;
      this.#known = connection.has?.(this.type, initialVersions) ?? initialVersions;
    }
    this.#knownVersion = request.versionInfo;
    this.#resumed = this.#known !== undefined || this.#knownVersion !== "";
    const { subscribe } = request;
    const wild = subscribe.length === 0 || subscribe.includes("*");
    if (wild) this.#openWildcard();
    this.#names.begin(wild ? subscribe.filter(name => name !== "*") : subscribe);
    this.#answerDue = form === "sotw" || (wild && this.#known === undefined);
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
    const had = new Set(this.#names.names);
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
      const known = this.#wildcard?.has(name) === true || this.#named?.has(name) === true;
      if (known || this.#names.isComing(name)) this.#backlog.asked.add(name);
    }
  }

  /** Sends again what is named `prefix/...`, for clients that drop what they do not expect yet. */
  forceBelow(prefixes: ReadonlySet<string>): void {
    for (const name of this.#wildcard?.set.names() ?? none) {
      if (prefixes.has(name.slice(0, name.lastIndexOf("/")))) this.#backlog.asked.add(name);
    }
  }

  #ask(name: string): void {
    this.#names.queue(name, true);
    this.#backlog.ask(name);
  }

  #drop(name: string): void {
    this.#names.queue(name, false);
    this.#backlog.forget(name);
    // Where the wildcard still covers it, the answer says whether the resource stays.
    if (this.#wildcard !== undefined) this.#backlog.asked.add(name);
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
    for (const name of this.#names.names) this.#backlog.asked.add(name);
  }

  /** The proxy's class changed: the same names mean other resources. */
  reclassify(): void {
    if (this.#wildcard !== undefined) {
      const set = this.#context.connection.wildcard(this.type);
      if (set !== undefined) this.#wildcard.exchange(set);
    }
    if (this.#named !== undefined) this.#follow(this.#names.names);
  }

  /** The response that a nonce answers, or undefined when it is none that waits. */
  answer(nonce: string, accepted: boolean): InFlight | undefined {
    const response = this.inFlight.answer(nonce, accepted);
    if (response !== undefined && !accepted && !this.#whole)
      this.#backlog.reject(response.resources, appliesOneByOne(this.type));
    return response;
  }

  // What to send.

  /** True when nothing that changed up to `revision` is still to be accepted by the client. */
  caughtUp(revision: number): boolean {
    const { busy, ackedRevision } = this.inFlight;
    if (ackedRevision >= revision) return true;
    if (busy || this.#backlog.hasWork || this.#answerDue) return false;
    return this.quiet || this.#revision >= revision || this.#feeds().length === 0;
  }

  /** True when `prepare` would find nothing: what most types of a stream are at most changes. */
  get quiet(): boolean {
    if (this.#wildcard?.stale === true || this.#named?.stale === true) return false;
    if (this.#names.queuedSize > 0 || this.#known !== undefined || this.#knownVersion !== "")
      return false;
    return !(this.#answerDue || this.#resumed || this.#backlog.hasLeft);
  }

  /** True while more has to be sent before the client has an answer to all that it asked for. */
  get owes(): boolean {
    return this.#backlog.owes;
  }

  /** Revision of the graph at which removals were put off, or undefined if there are none. */
  get deferredRevision(): number | undefined {
    return this.#backlog.deferred.size > 0 ? this.#deferredRevision : undefined;
  }

  /**
   * Takes what changed. `unsettled` when `stop` came before everything was built, `lost` when the
   * client is so far behind that it has to say what it has.
   */
  prepare(stop: () => boolean): "ready" | "unsettled" | "lost" {
    this.#rebuild();
    const feeds = this.#feeds();
    for (const feed of feeds) if (!feed.settle(stop)) return "unsettled";
    if (!this.#isCounted) this.#count();
    if (this.#isUpToDate()) {
      this.#answerDue = false;
      for (const feed of feeds) feed.skip();
      if (this.#whole) this.#lastWhole = this.#all().resources;
    }
    this.#knownVersion = "";
    const known = this.#known;
    this.#known = undefined;
    if (known !== undefined) this.#takeKnown(known);
    let complete = true;
    for (const feed of feeds) {
      if (feed.fresh) {
        if (!this.#canSendAtOnce(feed)) this.#expand(feed);
      } else if (!feed.take(this.#backlog.pending)) complete = false;
    }
    return complete ? "ready" : "lost";
  }

  /** The next response, or undefined. `removals` says whether resources may be taken away now. */
  emit(removals: boolean): Emission | undefined {
    const emission = this.#whole ? this.#emitWhole(removals) : this.#emitChanged(removals);
    if (emission === undefined) return undefined;
    this.#answerDue = false;
    this.#resumed = false;
    return emission;
  }

  /**
   * To be asked when there was nothing to emit: the revision at which a client that came back proved
   * to have everything, once.
   */
  takeCurrent(): number | undefined {
    if (!this.#resumed || this.#backlog.deferred.size > 0) return undefined;
    this.#resumed = false;
    return this.#revision;
  }

  close(): void {
    for (const feed of this.#feeds()) feed.close();
    this.#wildcard = undefined;
    this.#named = undefined;
  }

  /** For tests of memory: entries held beside the shared sets. */
  get ownEntries(): number {
    return this.#names.queuedSize + this.#backlog.size + (this.#known?.size ?? 0);
  }

  resource(name: string): Resource | undefined {
    return this.#wildcard?.resource(name) ?? this.#named?.resource(name);
  }

  covers(name: string): boolean {
    return this.#wildcard !== undefined || this.#named?.has(name) === true;
  }

  failed(name: string): boolean {
    return this.#wildcard?.set.failed(name) === true || this.#named?.set.failed(name) === true;
  }

  absent(name: string): Resource | undefined {
    if (this.type !== virtualHostType || this.#context.form === "sotw") return undefined;
    const asked = this.#named?.has(name) === true;
    return asked ? absentResource(this.type, name) : undefined;
  }

  get #whole(): boolean {
    if (this.#context.form === "delta") return false;
    return isWholeType(this.type) || this.#wildcard !== undefined;
  }

  get #revision(): number {
    return Math.max(this.#wildcard?.revision ?? -1, this.#named?.revision ?? -1);
  }

  #feeds(): readonly Feed[] {
    if (this.#wildcard === undefined) return this.#named === undefined ? none : [this.#named];
    return this.#named === undefined ? [this.#wildcard] : [this.#wildcard, this.#named];
  }

  #rebuild(): void {
    const names = this.#names.take();
    if (names === undefined) return;
    if (this.#named !== undefined) this.#looked += names.length;
    this.#follow(names);
  }

  #count(): void {
    this.#isCounted = true;
    let sum = 0;
    for (const name of this.#named?.set.names() ?? none)
      if (this.#named?.resource(name) === undefined)
        sum += 1 + Math.floor(name.length / LONG_NAME_CHARS);
    this.#unanswered = sum;
  }

  #follow(names: readonly string[]): void {
    this.#isCounted = false;
    const { connection, snapshots, wake } = this.#context;
    const set = connection.named(this.type, names);
    if (this.#named === undefined) this.#named = new Feed(set, wake);
    else this.#named.exchange(set);
    this.#names.share(snapshots.sharedNames(set, names));
  }

  #isUpToDate(): boolean {
    if (this.#knownVersion === "" || this.#backlog.asked.size > 0) return false;
    return this.#knownVersion === this.#digest();
  }

  #digest(): string {
    return this.#feeds()
      .map(feed => this.#context.snapshots.digest(feed.set))
      .join("-");
  }

  /** A client that comes back: only what differs from what it has. */
  #takeKnown(known: ReadonlyMap<string, string>): void {
    const { asked, pending } = this.#backlog;
    for (const feed of this.#feeds()) {
      if (!feed.fresh) continue;
      const into = feed === this.#named ? asked : pending;
      for (const name of feed.set.names()) {
        const version = (this.resource(name) ?? this.absent(name))?.version;
        if (version === undefined ? feed === this.#named : version !== known.get(name))
          into.add(name);
      }
      feed.skip();
    }
    if (this.#wildcard === undefined) return;
    for (const name of known.keys()) {
      if ((this.resource(name) ?? this.absent(name)) === undefined) pending.add(name);
    }
  }

  /** Everything goes into one response, for which no names need to be collected. */
  #canSendAtOnce(feed: Feed): boolean {
    if (this.#whole) return true;
    if (this.#feeds().length > 1 || this.#backlog.pending.size > 0) return false;
    const { bytes, missing } = this.#context.snapshots.of(feed.set);
    if (missing.some(name => this.absent(name) !== undefined)) return false;
    return bytes <= this.#context.limits.responseBytesSoft;
  }

  #expand(feed: Feed): void {
    const { asked, pending } = this.#backlog;
    for (const name of feed.set.names()) {
      if (feed === this.#named) asked.add(name);
      else if (feed.resource(name) !== undefined) pending.add(name);
    }
    feed.skip();
  }

  /** Delta, and the types of the other form of which a part may be sent. */
  #emitChanged(removals: boolean): Emission | undefined {
    for (const feed of this.#feeds()) if (feed.fresh) return this.#emitAtOnce(feed);
    const hadDeferred = this.#backlog.deferred.size;
    const maxBytes = this.#context.limits.responseBytesSoft;
    const answers = this.#backlog.asked.size > 0;
    const picked = this.#backlog.pick(this, removals, maxBytes);
    if (this.#backlog.deferred.size > hadDeferred) this.#deferredRevision = this.#revision;
    return this.#emission({ resources: picked.resources }, picked, this.#revision, answers);
  }

  #emitAtOnce(feed: Feed): Emission | undefined {
    const snapshot = this.#context.snapshots.of(feed.set);
    feed.skip();
    this.#backlog.asked.clear();
    const removed = feed === this.#named ? snapshot.missing : none;
    const picked = { resources: snapshot.resources, removed };
    return this.#emission(snapshot, picked, feed.revision, true);
  }

  #emission(
    resources: ResourceList,
    picked: {
      readonly resources: Picked["resources"] | readonly Resource[];
      readonly removed: readonly string[];
    },
    revision: number,
    answers: boolean,
  ): Emission | undefined {
    const removed = this.#context.form === "delta" ? picked.removed : none;
    if (picked.resources.length === 0 && removed.length === 0 && !this.#answerDue) return undefined;
    const version = this.#version();
    return { resources, removed, changed: picked.resources, answers, revision, version };
  }

  #emitWhole(removals: boolean): Emission | undefined {
    const fresh = this.#feeds().filter(feed => feed.fresh);
    for (const feed of fresh) feed.skip();
    const { deferred } = this.#backlog;
    const shrinks = removals && deferred.size > 0;
    if (removals) deferred.clear();
    const { changed, removed } = this.#takeWhole(removals);
    const same = fresh.length === 0 && changed.length === 0 && !removed && !shrinks;
    if (same && !this.#answerDue) return undefined;
    const all = this.#all();
    this.#lastWhole = all.resources;
    return {
      resources: all,
      removed: none,
      changed: fresh.length > 0 ? all.resources : changed,
      answers: fresh.length > 0,
      revision: this.#revision,
      version: this.#version(),
    };
  }

  /** Empties the backlog into what changed; removals that may not be yet are put off. */
  #takeWhole(removals: boolean): { changed: Resource[]; removed: boolean } {
    const { asked, pending, deferred } = this.#backlog;
    const changed: Resource[] = [];
    let removed = false;
    for (const name of new Set([...asked, ...pending])) {
      const resource = this.resource(name);
      if (resource !== undefined) {
        deferred.delete(name);
        changed.push(resource);
        continue;
      }
      const kept = this.#lastWhole.find(last => last.name === name);
      if (kept === undefined) continue;
      if (removals) removed = true;
      else deferred.set(name, kept);
      this.#deferredRevision = this.#revision;
    }
    asked.clear();
    pending.clear();
    return { changed, removed };
  }

  /** All that the client shall have, with what is kept for now. */
  #all(): ResourceList {
    const { snapshots } = this.#context;
    const { deferred } = this.#backlog;
    const [first, second] = this.#feeds();
    if (first === undefined) return { resources: none };
    const base = snapshots.of(first.set);
    if (second === undefined && deferred.size === 0) return base;
    const byName = new Map(base.resources.map(resource => [resource.name, resource]));
    if (second !== undefined) {
      for (const resource of snapshots.of(second.set).resources)
        byName.set(resource.name, resource);
    }
    for (const [name, kept] of deferred) {
      assert(kept !== undefined, `a removal of ${name} was put off without what to keep`);
      byName.set(name, kept);
    }
    return { resources: [...byName.values()] };
  }

  /**
   * In the whole form a version that a client may show to say that it has everything. Where it has
   * not (parts are still to come, or were rejected), the version must equal no later one.
   */
  #version(): string {
    if (this.#context.form === "delta") return String(this.#revision);
    const digest = this.#digest();
    return this.#backlog.isClean ? digest : `${digest}+${this.#revision}`;
  }
}
