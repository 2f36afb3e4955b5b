/** Binds streams to the graph: who connects becomes a row, what it asks for becomes watch sets. */

import { checkNodeClaims, type PodFacts } from "../authn/node-claims.ts";
import { maySubscribeSecret, OWN_CERTIFICATE_SECRET } from "../authn/secret-access.ts";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { eachOf } from "../base/each-of.ts";
import { LimitedLog } from "../base/limited-log.ts";
import type { Log } from "../base/log.ts";
import { ownText } from "../base/own-text.ts";
import { parseSpiffeId } from "../base/spiffe.ts";
import type { WorkloadCertificates } from "../ca/workload-certs.ts";
import type { ConnectionTable, ProxyFacts } from "../debug/connections.ts";
import type { ControlPlaneMetrics } from "../debug/metrics.ts";
import type { ProxyQuery } from "../debug/pages.ts";
import type {
  ConfigSource,
  Connection,
  DebugQuestion,
  DebugResource,
  Node,
  Peer,
  Refusal,
  Resource,
  StreamEvent,
} from "../discovery/types.ts";
import type { Cell } from "../flow/types.ts";
import { joinWatchSets } from "../flow/watch-joined.ts";
import type { WatchSet } from "../flow/watch-types.ts";
import { objectKey } from "../model/inputs.ts";
import type { ProxyClass } from "../model/proxies.ts";
import type { ConnectedProxy } from "../model/types.ts";
import { podAddresses } from "../model/workloads.ts";
import type { Rejections, Witness } from "../status/rejections.ts";
import { TypeUrl } from "../xds/resource.ts";
import type { AnswerDebug } from "./debug-answers.ts";
import { accountOf } from "./gateway-accounts.ts";
import type { MeshGraph } from "./mesh-graph.ts";
import { describeProxy } from "./proxy-row.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { wasTakenApart } from "./taken-apart.ts";

export interface GraphSourceOptions {
  readonly mesh: MeshGraph;
  readonly subscriptions: Subscriptions;
  readonly connections: ConnectionTable;
  readonly metrics: ControlPlaneMetrics;
  /** undefined: this control plane gives no certificates (files without a CA). */
  readonly certificates: WorkloadCertificates | undefined;
  readonly rejections: Pick<Rejections, "report" | "closed">;
  readonly clock: Clock;
  readonly log: Log;
  /** What was known of credentials of the pod with this uid counts no more. */
  readonly onPodGone?: (podUid: string) => void;
  /** Answers debug types. Without it they are refused. */
  readonly debug?: AnswerDebug;
}

/** gRPC's codes. */
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const VERSION_MAX_CHARS = 253;
/** More than most have: five ports, each with two subsets. */
const CLUSTERS_A_SERVICE = 16;
/** The API server takes a deleted pod's token for good for some seconds yet (its own cache). */
const GONE_MS = 60_000;
/**
 * A stream whose Pod is not in view shows its credential again after this: as long as the answer about
 * a token is kept, so that then the API server is asked whether the Pod is there.
 */
const UNSEEN_MS = 5 * 60_000;
/** gRPC's UNAVAILABLE: Envoy connects again. */
const UNAVAILABLE = 14;
const POD_IS_GONE: Refusal = { refused: "the pod is gone", code: PERMISSION_DENIED };
const ONLY_DEBUG: Refusal = {
  refused:
    "token is not bound to a pod: expected a projected service-account token; only debug types are answered",
  code: PERMISSION_DENIED,
};
const NO_DEBUG: Refusal = { refused: "debug types are not answered here", code: PERMISSION_DENIED };

/** What a connection needs beside that. */
interface ConnectionOptions extends GraphSourceOptions {
  readonly outsiders: LimitedLog;
}

export class GraphConfigSource implements ConfigSource {
  readonly #options: ConnectionOptions;
  readonly #live = new Map<string, GraphConnection>();
  readonly #waiting = new Set<() => void>();
  /** Uids of pods that went a moment ago, with the time until which they are remembered. */
  readonly #gonePods = new Map<string, number>();
  #ready = false;
  #count = 0;
  #nameableMost = 0;

  constructor(options: GraphSourceOptions) {
    this.#options = {
      ...options,
      outsiders: new LimitedLog(options.log, options.clock),
      onPodGone: podUid => {
        this.#rememberGone(podUid);
        options.onPodGone?.(podUid);
      },
    };
  }

  get ready(): boolean {
    return this.#ready;
  }

  onReady(listener: () => void): () => void {
    if (this.#ready) {
      listener();
      return () => {};
    }
    this.#waiting.add(listener);
    return () => void this.#waiting.delete(listener);
  }

  /** Every configuration source has synced once: streams may be answered. */
  markReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const listener of waiting) listener();
  }

  /** Streams that wait for `markReady`. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Node ids of all that are connected, for `missing` proxies. */
  connectedPods(): ReadonlySet<string> {
    return new Set([...this.#live.values()].map(connection => connection.pod));
  }

  /** The class of a connected proxy: of `<pod>.<namespace>`, else of one whose name has this part. */
  classOf({ proxy, namespace }: ProxyQuery): ProxyClass | undefined {
    let found: GraphConnection | undefined;
    for (const connection of this.#live.values()) {
      const { shownName } = connection;
      if (namespace !== undefined && !shownName.endsWith(`.${namespace}`)) continue;
      if (shownName === proxy) return connection.proxyClass;
      if (found === undefined && shownName.includes(proxy)) found = connection;
    }
    return found?.proxyClass;
  }

  debug(question: DebugQuestion, peer: Peer): readonly DebugResource[] | Refusal {
    return this.#gonePod(peer) ?? this.#options.debug?.(question, peer) ?? NO_DEBUG;
  }

  connect(node: Node, peer: Peer, form: "delta" | "sotw"): Connection | Refusal {
    if (peer.onlyDebug === true) return ONLY_DEBUG;
    const proxy = describeProxy(node, {
      flavour: "upstream",
      vhds: form === "delta" ? "large" : "none",
    });
    if ("refused" in proxy) return { refused: proxy.refused, code: INVALID_ARGUMENT };
    const { row, metadata, findings } = proxy;
    const claimed = { id: node.id, metadata };
    const refusal = this.#gonePod(peer) ?? checkNodeClaims(claimed, peer, this.#podFacts(row));
    if (refusal !== undefined) return refusal;
    this.#count++;
    const id = `${node.id}#${this.#count}`;
    const facts = {
      proxy: shownNameOf(row),
      verified: peer.identity !== undefined,
      type: row.type,
      cluster: row.cluster || "Kubernetes",
      version: metadata.istioVersion ?? ownText(node.userAgentVersion, VERSION_MAX_CHARS),
      address: peer.address,
      form,
    };
    for (const finding of findings)
      this.#options.outsiders.warn(peer.address, "part of a proxy's metadata counts as not said", {
        peer: peer.address,
        proxy: facts.proxy,
        finding,
      });
    return this.#enter(id, row, peer, facts);
  }

  /** Nothing foreign is read from here on. What throws all the same leaves nothing behind. */
  #enter(id: string, row: ConnectedProxy, peer: Peer, facts: ProxyFacts): Connection | Refusal {
    const { mesh, connections, clock } = this.#options;
    const cause = { source: "xds connection", subject: row.id, at: clock.now() };
    let connection: GraphConnection | undefined;
    const leave = (): void => {
      mesh.graph.commit(cause, writer => writer.delete(mesh.inputs.proxies, id));
    };
    try {
      mesh.graph.commit(cause, writer => writer.set(mesh.inputs.proxies, id, row));
      if (mesh.model.proxies.rows.get(id) === undefined) {
        leave();
        return { refused: "this proxy can not be classed", code: PERMISSION_DENIED };
      }
      connection = new GraphConnection(id, row, peer, this.#options, () => {
        this.#live.delete(id);
      });
      this.#live.set(id, connection);
      connections.open(id, facts);
      return connection;
    } catch (error) {
      if (connection === undefined) leave();
      else connection.close();
      throw error;
    }
  }

  /** Clusters, mostly: of each service some ports with some subsets. Who was away may name what went. */
  nameable(): number {
    const now = this.#options.mesh.model.services.size * CLUSTERS_A_SERVICE;
    this.#nameableMost = Math.max(this.#nameableMost, now);
    return this.#nameableMost;
  }

  #rememberGone(podUid: string): void {
    const now = this.#options.clock.monotonic();
    for (const [uid, until] of this.#gonePods) {
      if (until > now) break;
      this.#gonePods.delete(uid);
    }
    this.#gonePods.set(podUid, now + GONE_MS);
  }

  #gonePod({ claims }: Peer): Refusal | undefined {
    const until = this.#gonePods.get(claims["podUid"] ?? "");
    return until !== undefined && until > this.#options.clock.monotonic() ? POD_IS_GONE : undefined;
  }

  #podFacts(row: ConnectedProxy): PodFacts | undefined {
    const pod = this.#options.mesh.inputs.pods.get(objectKey(row));
    if (pod === undefined) return undefined;
    return {
      uid: pod.metadata.uid,
      ips: podAddresses(pod),
      serviceAccount: accountOf(pod),
    };
  }
}

function witnessOf(proxy: string, { identity }: Peer): Witness {
  const shown = identity === undefined ? undefined : parseSpiffeId(identity);
  return { proxy, namespace: shown?.namespace };
}

function shownNameOf(row: ConnectedProxy): string {
  return `${row.name}.${row.namespace}`;
}

class GraphConnection implements Connection {
  readonly id: string;
  readonly shownName: string;
  /** `namespace/name`. */
  readonly pod: string;
  #row: ConnectedProxy;
  readonly #peer: Peer;
  readonly #witness: Witness;
  readonly #options: ConnectionOptions;
  readonly #forget: () => void;
  #listener: () => void = () => {};
  #onRevoked: (why: Refusal) => void = () => {};
  readonly #classCell: Cell<ProxyClass | undefined>;
  /** Held where there is a credential: a certificate is bound to the pod that is claimed with it. */
  readonly #podCell: Cell<string | undefined> | undefined;
  /** Held where the proxy says that it is a gateway. */
  readonly #gatewayCell: Cell<string | undefined> | undefined;
  #class: ProxyClass;
  /** Whether its Pod was a gateway's when last looked at. */
  #mayReadSecrets: boolean;
  /** uid of the Pod when last looked at. */
  #seenUid: string | undefined;
  /** What it holds of the graph; the last one first. */
  readonly #letGo: (() => void)[] = [];
  #cancelUnseen: () => void = () => {};
  /** It has accepted some, now or on an earlier stream. */
  #hasRoutes = false;
  #releaseCertificate: (() => void) | undefined;
  #nameableMost = 0;
  #closed = false;

  constructor(
    id: string,
    row: ConnectedProxy,
    peer: Peer,
    options: ConnectionOptions,
    forget: () => void,
  ) {
    this.id = id;
    this.shownName = shownNameOf(row);
    this.pod = objectKey(row);
    this.#row = row;
    this.#peer = peer;
    this.#witness = witnessOf(this.shownName, peer);
    this.#options = options;
    this.#forget = forget;
    const { model, gatewayAccounts } = options.mesh;
    const { classes, podUids } = model.connected;
    try {
      this.#classCell = this.#held(classes.acquire(id));
      if (peer.identity !== undefined) this.#podCell = this.#held(podUids.acquire(this.pod));
      if (row.type === "router") this.#gatewayCell = this.#held(gatewayAccounts.acquire(this.pod));
      this.#mayReadSecrets = this.#isGateway();
      const current = this.#classCell.value();
      assert(current !== undefined, `proxy ${id} has no class`);
      this.#class = current;
      this.#seenUid = this.#podCell?.value();
      if (this.#podCell !== undefined && this.#seenUid === undefined)
        this.#cancelUnseen = options.clock.after(UNSEEN_MS, () => this.#endUnseen());
      this.#letGo.push(this.#classCell.onDirty(() => this.#reclassify()));
      if (this.#podCell !== undefined)
        this.#letGo.push(this.#podCell.onDirty(() => this.#checkPod()));
      if (this.#gatewayCell !== undefined)
        this.#letGo.push(this.#gatewayCell.onDirty(() => this.#checkGateway()));
    } catch (error) {
      eachOf([() => this.#cancelUnseen(), ...this.#letGo.reverse()]);
      throw error;
    }
  }

  #held<C extends { release(): void }>(cell: C): C {
    this.#letGo.push(() => cell.release());
    return cell;
  }

  get proxyClass(): ProxyClass {
    return this.#class;
  }

  wildcard(type: string): WatchSet<Resource | undefined> | undefined {
    return this.#options.subscriptions.wildcard(type, this.#class);
  }

  /** While it has no list of its own, what the mesh has: it may ask for endpoints first. */
  nameable(): number {
    const { subscriptions, mesh } = this.#options;
    const now = subscriptions.listed(this.#class) ?? mesh.model.services.size * CLUSTERS_A_SERVICE;
    this.#nameableMost = Math.max(this.#nameableMost, now);
    return this.#nameableMost;
  }

  named(type: string, names: readonly string[]): WatchSet<Resource | undefined> {
    if (type !== TypeUrl.secret) {
      return this.#options.subscriptions.named(type, this.#class, names);
    }
    return this.#secrets(names);
  }

  /** What it may not have is like what does not exist: a view without an identity has no secrets. */
  #secrets(names: readonly string[]): WatchSet<Resource | undefined> {
    const { secrets } = this.#options.subscriptions;
    const identity = this.#peer.identity ?? "";
    const isGateway = this.#mayReadSecrets;
    const may = (name: string) => maySubscribeSecret(this.#peer, name, isGateway);
    const allowed = names.filter(may);
    const denied = names.filter(name => !may(name));
    if (identity !== "" && allowed.includes(OWN_CERTIFICATE_SECRET))
      this.#holdCertificate(identity);
    if (allowed.length === 0) return secrets("", denied);
    if (denied.length === 0) return secrets(identity, allowed);
    return joinWatchSets([secrets(identity, allowed), secrets("", denied)]);
  }

  /**
   * What its Pod says: what a proxy says of itself opens no Secret. The Pod may have come after the
   * stream, and a certificate names none: it must run as the account that the credential is of.
   */
  #isGateway(): boolean {
    const account = this.#gatewayCell?.value();
    return account !== undefined && account === this.#peer.claims["serviceAccount"];
  }

  has(type: string, versions: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    if (type === TypeUrl.secret) return this.#hasSecrets(versions);
    if (type === TypeUrl.route && versions.size > 0) this.#hasRoutes = true;
    if (type !== TypeUrl.virtualHost) return versions;
    const { resources } = this.#options.mesh;
    if (wasTakenApart(resources[TypeUrl.virtualHost], this.#class, versions)) this.#takeApart();
    return versions;
  }

  /** Replicas make certificates of their own for one identity; a proxy that comes from another keeps its. */
  #hasSecrets(versions: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const held = versions.get(OWN_CERTIFICATE_SECRET);
    const { identity } = this.#peer;
    if (held === undefined || identity === undefined) return versions;
    if (!maySubscribeSecret(this.#peer, OWN_CERTIFICATE_SECRET, false)) return versions;
    this.#holdCertificate(identity, held);
    const version = this.#options.certificates?.versionFor(identity, held);
    return version === undefined
      ? versions
      : new Map([...versions, [OWN_CERTIFICATE_SECRET, version]]);
  }

  onReclassified(listener: () => void): void {
    this.#listener = listener;
  }

  onRevoked(listener: (why: Refusal) => void): void {
    this.#onRevoked = listener;
  }

  report(event: StreamEvent): void {
    this.#options.connections.report(this.id, event);
    this.#options.metrics.observe(event);
    this.#options.rejections.report(this.id, this.#witness, this.#class, event);
    if (event.type !== TypeUrl.route) return;
    if (event.kind === "acked") this.#hasRoutes = true;
    else if (event.kind === "nacked" && !this.#hasRoutes) this.#takeApart();
  }

  /**
   * A rejected route configuration holds back every host in it, and a proxy that starts becomes ready
   * all the same, with 404 for each of them: this one gets virtual hosts one at a time, where only the
   * culprit is rejected, and so does one that comes back with such hosts. One with routes that it
   * accepted keeps them instead, those of the culprit, too.
   */
  #takeApart(): void {
    if (this.#row.vhds !== "large") return;
    this.#row = { ...this.#row, vhds: "all" };
    const { mesh, clock, outsiders } = this.#options;
    outsiders.warn(this.pod, "virtual hosts go one at a time, as some were rejected", {
      proxy: this.shownName,
    });
    const cause = { source: "routes one by one", subject: this.id, at: clock.now() };
    mesh.graph.commit(cause, writer => writer.set(mesh.inputs.proxies, this.id, this.#row));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { mesh, connections, rejections, clock } = this.#options;
    const cause = { source: "xds connection", subject: `${this.id} closed`, at: clock.now() };
    eachOf([
      () => this.#cancelUnseen(),
      this.#forget,
      ...this.#letGo.reverse(),
      () => this.#releaseCertificate?.(),
      () => connections.close(this.id),
      () => rejections.closed(this.id),
      () => mesh.graph.commit(cause, writer => writer.delete(mesh.inputs.proxies, this.id)),
    ]);
  }

  /** Tells the stream when the class is another one. */
  #reclassify(): void {
    const next = this.#classCell.value();
    if (next === undefined || next.key === this.#class.key) return;
    this.#class = next;
    this.#listener();
  }

  /**
   * A credential that is bound to a pod is good for as long as that pod is there. One that has not
   * been seen yet may still come.
   */
  #checkPod(): void {
    const { podUid } = this.#peer.claims;
    const uid = this.#podCell?.value();
    if (uid === this.#seenUid) return;
    const bound = podUid ?? this.#seenUid;
    this.#seenUid = uid;
    this.#cancelUnseen();
    if (bound === undefined || uid === bound) return;
    if (podUid !== undefined) this.#options.onPodGone?.(podUid);
    this.#onRevoked(POD_IS_GONE);
  }

  /** Nothing would tell us that this Pod is gone: its namespace is not seen, or reading it lags. */
  #endUnseen(): void {
    const refused =
      `Pod ${this.pod} has not come into view of this control plane (discoverySelectors may leave ` +
      "out its namespace): connect again to show that the token is still good";
    const fields = { proxy: this.shownName, reason: refused };
    this.#options.outsiders.warn(this.#peer.address, "xDS stream ended", fields);
    this.#onRevoked({ refused, code: UNAVAILABLE });
  }

  /** The same names of Secrets are others when the Pod is known to be a gateway's, or to be none. */
  #checkGateway(): void {
    const may = this.#isGateway();
    if (may === this.#mayReadSecrets) return;
    this.#mayReadSecrets = may;
    this.#listener();
  }

  #holdCertificate(identity: string, heldVersion?: string): void {
    const { certificates } = this.#options;
    this.#releaseCertificate ??= certificates?.hold(identity, heldVersion);
  }
}
