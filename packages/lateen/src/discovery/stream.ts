/**
 * One xDS stream as a state machine: bytes of requests in, bytes of responses out, no sockets and
 * no timers. The form (delta or state of the world) differs only in decoding, encoding and in what
 * `Subscription` puts into a response.
 */
import { assert } from "../base/assert.ts";
import { eachOf } from "../base/each-of.ts";
import { DebugQuestions, isDebugType } from "./debug-questions.ts";
import {
  GrpcStatus,
  namesMax,
  requestBytesFor,
  type StreamEnd,
  type StreamLimits,
} from "./limits.ts";
import { type Request, tooManyNames } from "./request.ts";
import { type EncodedResponse, encodeDelta, encodeSotw } from "./response.ts";
import type { SnapshotCache } from "./snapshot.ts";
import { type Emission, Subscription, type SubscriptionContext } from "./subscription.ts";
import {
  clusterType,
  endpointType,
  namesClusters,
  orderOf,
  routeType,
  virtualHostType,
} from "./type-order.ts";
import type { ConfigSource, Connection, Peer } from "./types.ts";

export interface AdsStreamOptions {
  readonly form: "delta" | "sotw";
  /** Must be ready. */
  readonly source: ConfigSource;
  readonly peer: Peer;
  readonly limits: StreamLimits;
  /** Shared by all streams. */
  readonly snapshots: SnapshotCache;
  /** Sent as `control_plane.identifier`; empty leaves it out. */
  readonly controlPlane: string;
  /** Called when `pull` may have something; may come at any time, also inside `receive`. */
  readonly wake: () => void;
}

export type Pulled =
  | { readonly kind: "message"; readonly message: EncodedResponse }
  /** Not everything was built before `stop`: pull again soon. */
  | { readonly kind: "more" }
  /** Nothing to send until the next `wake`. */
  | { readonly kind: "idle" }
  /** The stream has to end. */
  | { readonly kind: "end"; readonly end: StreamEnd };

const idle: Pulled = { kind: "idle" };
const more: Pulled = { kind: "more" };
/** On its next stream the client says what it has, and gets what differs. */
const lost: Pulled = {
  kind: "end",
  end: { code: GrpcStatus.unavailable, message: "too far behind; connect again" },
};

export class AdsStream {
  readonly #options: AdsStreamOptions;
  /** Of the node only its id is kept: the rest may be large, and `connect` has read it. */
  #nodeId: string | undefined;
  #connection: Connection | undefined;
  /** In the order in which they are served. */
  #subscriptions: readonly Subscription[] = [];
  #nonces = 0;
  #namesChanged = 0;
  #nowMs: number;
  /** The client came back with clusters of its own, and has not asked for what names them yet. */
  #resumedAtMs: number | undefined;
  #revoked: StreamEnd | undefined;
  #debug: DebugQuestions | undefined;
  #closed = false;

  constructor(options: AdsStreamOptions, nowMs: number) {
    this.#options = options;
    this.#nowMs = nowMs;
  }

  /** Something was asked: a stream that asks nothing has no business here. */
  get hasBegun(): boolean {
    return this.#connection !== undefined || this.#debug !== undefined;
  }

  /** It only asked about the mesh, and for a while nothing more: also if it does not read what it is told. */
  isOver(nowMs: number): boolean {
    return this.#connection === undefined && this.#debug?.isIdle(nowMs) === true;
  }

  /** Takes one request. What it returns ends the stream. */
  receive(message: Uint8Array): StreamEnd | undefined {
    assert(!this.#closed, "a request on a closed stream");
    const { form, limits, snapshots } = this.#options;
    const decoded = snapshots.requests.decode(form, message, limits, () => this.#namesMax());
    if (!decoded.ok) return decoded.end;
    const { request } = decoded;
    if (isDebugType(request.type)) return this.#receiveDebug(request);
    const problem = this.#identify(request);
    if (problem !== undefined) return problem;
    const subscription = this.#find(request.type);
    if (subscription === undefined) return this.#open(request);
    if (form === "delta") this.#receiveDelta(subscription, request);
    else this.#receiveSotw(subscription, request);
    if (this.hasWork) this.#options.wake();
    return this.#tooMany(subscription);
  }

  #tooMany(subscription: Subscription): StreamEnd | undefined {
    const { nameCount, type } = subscription;
    if (nameCount <= this.#options.limits.namesPerTypeMax) return undefined;
    const max = this.#namesMax();
    return nameCount > max ? tooManyNames(type, nameCount, max) : undefined;
  }

  /** Bytes that the next request may have, of which so many are announced. */
  requestBytesMax(announced: number): number {
    const { limits, source } = this.#options;
    const connection = this.#connection;
    const least = connection === undefined ? limits.firstRequestBytesMax : limits.requestBytesMax;
    // Few requests are large, and it may take a while to know what can be named.
    if (announced <= least) return least;
    return requestBytesFor(least, connection?.nameable?.() ?? source.nameable?.() ?? 0);
  }

  #namesMax(): number {
    const { limits, source } = this.#options;
    const nameable = this.#connection?.nameable?.() ?? source.nameable?.() ?? 0;
    return namesMax(limits, nameable);
  }

  /**
   * Names that requests have added or taken away since this was asked last, and all those that had to be
   * gone through for it: who has many pays for each change of one.
   */
  takeNamesHandled(): number {
    let handled = this.#namesChanged;
    this.#namesChanged = 0;
    for (const subscription of this.#subscriptions) handled += subscription.takeLooked();
    return handled;
  }

  /** What it asks for and nothing answers to, in names; long ones count more. */
  get unanswered(): number {
    let sum = 0;
    for (const subscription of this.#subscriptions) sum += subscription.unanswered;
    return sum;
  }

  /** False when `pull` would find nothing: most answers of clients leave nothing to do. */
  get hasWork(): boolean {
    if (this.#revoked !== undefined || this.#debug !== undefined) return true;
    return this.#subscriptions.some(({ quiet, inFlight }) => !(quiet || inFlight.busy));
  }

  /** The next response, in an order that makes before it breaks. */
  pull(stop: () => boolean): Pulled {
    if (this.#revoked !== undefined) return { kind: "end", end: this.#revoked };
    const answer = this.#debug?.next();
    if (answer !== undefined)
      return "code" in answer ? { kind: "end", end: answer } : { kind: "message", message: answer };
    let unsettled = false;
    let incomplete = false;
    for (const subscription of this.#subscriptions) {
      const { type } = subscription;
      if (namesClusters(type) && incomplete) continue;
      if (subscription.quiet && !subscription.inFlight.busy) continue;
      const state = subscription.inFlight.busy ? "busy" : subscription.prepare(stop);
      if (state === "lost") return lost;
      // Endpoints ahead of their clusters would have to be sent again, and what comes after the
      // endpoints may go live without them: Envoy does not wait for them for ever.
      if (state === "unsettled" && (type === clusterType || type === endpointType)) return more;
      if (state === "unsettled") unsettled = true;
      if (state === "busy" && type === clusterType) incomplete = true;
      // What is in flight arrives before what follows; endpoints still to be sent would not. Mere
      // changes of endpoints hold nothing up: they may never end.
      if (state === "busy" && type === endpointType && subscription.owes) incomplete = true;
      if (state !== "ready") continue;
      const emission = subscription.emit(type !== clusterType);
      if (emission !== undefined) return this.#send(subscription, emission);
      this.#reportCurrent(subscription);
    }
    return this.#pullRemovals() ?? (unsettled ? more : idle);
  }

  /** Tells the time, about once a second: overdue answers stop holding things up. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    let overdue = false;
    for (const subscription of this.#subscriptions) {
      if (subscription.inFlight.tick(nowMs)) overdue = true;
    }
    const waited = this.#resumedAtMs === undefined ? 0 : nowMs - this.#resumedAtMs;
    if (waited >= this.#options.limits.ackWaitMs) {
      this.#resumedAtMs = undefined;
      overdue = true;
    }
    if (overdue) this.#options.wake();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const subscriptions = this.#subscriptions;
    this.#subscriptions = [];
    eachOf([
      ...subscriptions.map(subscription => () => subscription.close()),
      () => this.#connection?.close(),
    ]);
  }

  /** For tests of memory: entries held beside what streams share. */
  get ownEntries(): number {
    let count = 0;
    for (const subscription of this.#subscriptions) count += subscription.ownEntries;
    return count;
  }

  /** No proxy is registered for it: who may ask what follows from the peer alone. */
  #receiveDebug(request: Request): StreamEnd | undefined {
    const { source, peer, form, controlPlane, wake } = this.#options;
    const ask = source.debug?.bind(source);
    if (ask === undefined) return invalid(`${request.type} is not answered here`);
    this.#debug ??= new DebugQuestions({ form, controlPlane, peer, ask }, this.#nowMs);
    const problem = this.#debug.receive(request, this.#nowMs);
    if (problem === undefined) wake();
    return problem;
  }

  #identify(request: Request): StreamEnd | undefined {
    const { source, peer, form } = this.#options;
    const { node } = request;
    const was = this.#nodeId;
    if (was !== undefined) {
      if (node === undefined || node.id === "" || node.id === was) return undefined;
      return invalid(`node.id was "${was}" and is now "${node.id}"; it may not change on a stream`);
    }
    if (node === undefined || node.id === "")
      return invalid("the first request of a stream needs a node with an id");
    const connected = source.connect(node, peer, form);
    if ("refused" in connected) return { code: connected.code, message: connected.refused };
    this.#nodeId = node.id;
    this.#connection = connected;
    connected.onReclassified(() => {
      for (const subscription of this.#subscriptions) subscription.reclassify();
      this.#options.wake();
    });
    connected.onRevoked?.(({ code, refused }) => {
      this.#revoked = { code, message: refused };
      this.#options.wake();
    });
    return undefined;
  }

  #find(type: string): Subscription | undefined {
    return this.#subscriptions.find(subscription => subscription.type === type);
  }

  #open(request: Request): StreamEnd | undefined {
    const { limits, wake, form, snapshots } = this.#options;
    const connection = this.#connection;
    assert(connection !== undefined, "a subscription before the stream has a node");
    const { type } = request;
    if (this.#subscriptions.length >= limits.typesMax) {
      const message = `more than ${limits.typesMax} resource types on a stream`;
      return { code: GrpcStatus.resourceExhausted, message };
    }
    const context: SubscriptionContext = { form, connection, snapshots, limits, wake };
    const subscription = new Subscription(type, context);
    // Before it opens: should that throw, what it holds is let go with the stream.
    this.#subscriptions = [...this.#subscriptions, subscription].sort(
      (a, b) => orderOf(a.type) - orderOf(b.type),
    );
    subscription.open(request);
    this.#namesChanged += request.subscribe.length + request.initialVersions.size;
    const resumes = request.initialVersions.size > 0 || request.versionInfo !== "";
    // Clusters that were just sent are warming, and wait for endpoints whatever the client has.
    if (type === endpointType && resumes) this.#forceWarming(subscription);
    if (type === clusterType && resumes) this.#resumedAtMs = this.#nowMs;
    connection.report({ kind: "subscribed", type });
    wake();
    return undefined;
  }

  #forceWarming(endpoints: Subscription): void {
    for (const { resources } of this.#find(clusterType)?.inFlight.waiting ?? [])
      endpoints.force(resources.map(resource => resource.name));
  }

  #receiveDelta(subscription: Subscription, request: Request): void {
    if (request.nonce !== "") this.#answered(subscription, request);
    subscription.change(request);
    this.#namesChanged += request.subscribe.length + request.unsubscribe.length;
  }

  #receiveSotw(subscription: Subscription, request: Request): void {
    // An answer to anything but the newest response is stale; the client will answer that one too.
    const newest = subscription.inFlight.waiting.at(-1)?.nonce;
    const stale = request.nonce !== "" && newest !== undefined && request.nonce !== newest;
    if (request.nonce !== "") this.#answered(subscription, request);
    if (stale) return;
    subscription.replace(request.subscribe);
    this.#namesChanged += subscription.namesQueued;
  }

  #answered(subscription: Subscription, request: Request): void {
    const { type, rejection, nonce } = request;
    const response = subscription.answer(nonce, rejection === undefined);
    if (response === undefined) return;
    const { revision, resources } = response;
    if (rejection === undefined) {
      this.#connection?.report({ kind: "acked", type, nonce, revision, resources });
      return;
    }
    const names = resources.map(resource => resource.name);
    this.#connection?.report({ kind: "nacked", type, nonce, revision, message: rejection, names });
  }

  /** Clusters go last: when nothing that the client has accepted names them any more. */
  #pullRemovals(): Pulled | undefined {
    const clusters = this.#find(clusterType);
    const revision = clusters?.deferredRevision;
    if (clusters === undefined || revision === undefined || clusters.inFlight.busy)
      return undefined;
    const users = this.#subscriptions.filter(({ type }) => namesClusters(type));
    if (users.length === 0 && this.#resumedAtMs !== undefined) return undefined;
    if (!users.every(user => user.caughtUp(revision))) return undefined;
    const emission = clusters.emit(true);
    return emission === undefined ? undefined : this.#send(clusters, emission);
  }

  #reportCurrent(subscription: Subscription): void {
    const revision = subscription.takeCurrent();
    if (revision === undefined) return;
    this.#connection?.report({ kind: "current", type: subscription.type, revision });
  }

  #send(subscription: Subscription, emission: Emission): Pulled {
    const { form, controlPlane, snapshots } = this.#options;
    const { type } = subscription;
    const { removed, revision } = emission;
    const { resources } = emission.resources;
    this.#nonces++;
    const nonce = String(this.#nonces);
    const head = { type, nonce, version: emission.version, controlPlane };
    const body = snapshots.bodies.of(form, emission.resources);
    const message = form === "delta" ? encodeDelta(head, body, removed) : encodeSotw(head, body);
    subscription.inFlight.sent({ nonce, revision, resources, sentAtMs: this.#nowMs });
    if (type === clusterType) this.#warm(emission);
    if (type === routeType && emission.answers) this.#fill(emission);
    const names = resources.length + removed.length;
    const { answers } = emission;
    const { bytes } = message;
    this.#connection?.report({ kind: "sent", type, nonce, revision, names, bytes, answers });
    return { kind: "message", message };
  }

  /**
   * Envoy builds a changed cluster anew and waits for its endpoints, but does not ask again for
   * names that it is subscribed to: they are sent once more. The name is the cluster's own.
   */
  #warm(emission: Emission): void {
    const endpoints = this.#find(endpointType);
    if (endpoints === undefined) return;
    endpoints.force(emission.changed.map(resource => resource.name));
  }

  /**
   * Envoy drops virtual hosts of route configurations that it does not have yet, and asks for
   * virtual hosts only once: those of new route configurations follow them.
   */
  #fill(emission: Emission): void {
    const names = new Set(emission.changed.map(resource => resource.name));
    this.#find(virtualHostType)?.forceBelow(names);
  }
}

function invalid(message: string): StreamEnd {
  return { code: GrpcStatus.invalidArgument, message };
}
