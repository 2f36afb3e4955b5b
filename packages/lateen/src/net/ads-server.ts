/**
 * The xDS server: gRPC over node:http2 on a plaintext and a TLS port. The transport only; what is
 * said on a stream is discovery/'s.
 */
import { X509Certificate } from "node:crypto";
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { Clock } from "../base/clock.ts";
import { FairShares, type Held } from "../base/fair-shares.ts";
import { LimitedLog } from "../base/limited-log.ts";
import type { Log } from "../base/log.ts";
import { ownerByAddress } from "../base/owner-by-address.ts";
import {
  defaultStreamLimits,
  GrpcStatus,
  type StreamEnd,
  type StreamLimits,
} from "../discovery/limits.ts";
import { SnapshotCache } from "../discovery/snapshot.ts";
import type { ConfigSource, Peer, Refusal } from "../discovery/types.ts";
import { Admission } from "./admission.ts";
import { AdsCall, type CallBudgets, TICK_MS } from "./ads-call.ts";
import { defaultServerLimits, type ServerLimits, WINDOW_BYTES } from "./ads-limits.ts";
import { Budget } from "./budget.ts";
import { GrpcStream, notGrpc, refuse } from "./grpc-stream.ts";
import { ownerOf } from "./owner.ts";
import {
  defaultPushScheduling,
  PushScheduler,
  type PushSchedulerOptions,
} from "./push-scheduler.ts";
import type { RefusedClient } from "./refusals.ts";

/** What a client shows before any of its requests is read. */
export interface Credentials {
  readonly transport: "plaintext" | "tls";
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The client's certificate, checked against the roots of `TlsMaterial`; or undefined. */
  readonly certificate: X509Certificate | undefined;
  readonly address: string;
}

/** May take its time (a token review); a refusal's reason goes to the client. */
export type Authenticate = (credentials: Credentials) => Peer | Refusal | Promise<Peer | Refusal>;

/** PEM. Exchanged while the server runs by `AdsServer.setTls`; connections that stand keep theirs. */
export interface TlsMaterial {
  readonly certificateChain: string;
  readonly privateKey: string;
  /** Roots that client certificates are checked against; without any none is asked for. */
  readonly clientRoots: readonly string[];
}

export interface AdsServerOptions {
  readonly source: ConfigSource;
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  readonly log: Log;
  readonly serverLimits?: Partial<ServerLimits>;
  readonly streamLimits?: Partial<StreamLimits>;
  readonly scheduling?: Partial<PushSchedulerOptions>;
  /** Told of each client that is turned away, with the reason that it is given. */
  readonly onRefused?: (who: RefusedClient, why: string) => void;
  /** Sent as `control_plane.identifier`. */
  readonly controlPlane?: string;
}

export interface ListenAt {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
}

const services = new Map<string, "delta" | "sotw">([
  ["/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", "delta"],
  ["/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", "sotw"],
]);

/** What a stream may send before it is let in, which waits here unread; after that WINDOW_BYTES. */
const WAITING_WINDOW_BYTES = 16 * 1024;

/** Where there are few streams, draining them takes no longer than this for each. */
const DRAIN_EVERY_MS = 50;

const LEAVING = "the control plane is shutting down; connect again";
const SHUTTING_DOWN: Refusal = { refused: "shutting down", code: GrpcStatus.unavailable };

interface Session {
  readonly session: ServerHttp2Session;
  readonly openedAtMs: number;
  streams: number;
  hadStream: boolean;
  idleSinceMs: number;
  pingedAtMs: number;
  awaitingPong: boolean;
}

/**
 * Connections that the system holds until they are accepted. With Node's 511 most of thousands that come back
 * at once were dropped and reset a minute later. The system may allow fewer (net.core.somaxconn).
 */
const BACKLOG = 16_384;

export class AdsServer {
  readonly #options: AdsServerOptions;
  readonly #limits: ServerLimits;
  readonly #streamLimits: StreamLimits;
  readonly #scheduler: PushScheduler;
  readonly #snapshots = new SnapshotCache();
  readonly #servers: (Http2Server | Http2SecureServer)[] = [];
  readonly #secureServers: Http2SecureServer[] = [];
  readonly #sockets = new FairShares<Socket>();
  readonly #sessions = new Set<Session>();
  readonly #calls = new Set<AdsCall>();
  readonly #shares = new FairShares<AdsCall>();
  readonly #budgets: CallBudgets;
  readonly #admission: Admission;
  readonly #outsiders: LimitedLog;
  #tls: TlsMaterial | undefined;
  #cancelTick: (() => void) | undefined;
  #closing = false;
  #draining = false;
  #admitted = 0;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    this.#limits = { ...defaultServerLimits, ...options.serverLimits };
    this.#streamLimits = { ...defaultStreamLimits, ...options.streamLimits };
    this.#scheduler = new PushScheduler({ ...defaultPushScheduling, ...options.scheduling });
    this.#admission = new Admission(this.#limits, options.source, options.clock);
    this.#budgets = budgetsOf(this.#limits);
    this.#outsiders = new LimitedLog(options.log, options.clock);
    this.#armTick();
  }

  /** Streams that are open now. */
  get streams(): number {
    return this.#calls.size;
  }

  /** What is held for clients now, in the units of `ServerLimits`. */
  get held(): {
    readonly connections: number;
    readonly waiting: number;
    readonly bufferedBytes: number;
    readonly unknownNames: number;
    readonly unsentBytes: number;
  } {
    let unsentBytes = 0;
    for (const call of this.#calls) unsentBytes += call.unsentBytes;
    return {
      connections: this.#sockets.size,
      waiting: this.#admission.waiting,
      bufferedBytes: this.#budgets.bytes.total,
      unknownNames: this.#budgets.names.total,
      unsentBytes,
    };
  }

  /** Plaintext, as Istio's 15010. Returns the port. */
  async listenPlaintext(at: ListenAt): Promise<number> {
    const server = createServer(this.#http2Options());
    this.#attach(server, "plaintext");
    return this.#listen(server, at);
  }

  /** TLS, as Istio's 15012. `setTls` must have been called. Returns the port. */
  async listenTls(at: ListenAt): Promise<number> {
    if (this.#tls === undefined)
      throw new Error("listenTls needs a certificate: call setTls first");
    const server = createSecureServer({
      ...this.#http2Options(),
      ...contextOf(this.#tls),
      ALPNProtocols: ["h2"],
      allowHTTP1: false,
      minVersion: "TLSv1.2",
      handshakeTimeout: this.#limits.handshakeMs,
      // A certificate is asked for; whether one must be shown, and what it proves, `authenticate`
      // says. A certificate that the roots do not bear out counts as none.
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.on("tlsClientError", error => {
      this.#options.log.debug("TLS handshake failed", { error: error.message });
    });
    this.#secureServers.push(server);
    this.#attach(server, "tls");
    return this.#listen(server, at);
  }

  /** New handshakes use it from now on. Throws when the material is not usable. */
  setTls(material: TlsMaterial): void {
    createSecureContext(contextOf(material));
    this.#tls = material;
    for (const server of this.#secureServers) server.setSecureContext(contextOf(material));
  }

  /**
   * No new streams from now on; those that stand are sent elsewhere one by one, so that the other
   * replicas do not get them all at once. Resolves when the last one is told, after `overMs` at most.
   */
  async drain(overMs: number): Promise<void> {
    this.#draining = true;
    const calls = [...this.#calls];
    const everyMs = Math.min(overMs / Math.max(calls.length, 1), DRAIN_EVERY_MS);
    for (const [i, call] of calls.entries())
      this.#options.clock.after((i + 1) * everyMs, () => call.moveOn(LEAVING));
    await new Promise<void>(done => this.#options.clock.after(calls.length * everyMs, done));
  }

  /** No new streams; those that stand are told to go elsewhere, and cut after `graceMs`. */
  async close(graceMs = 0): Promise<void> {
    this.#closing = true;
    this.#draining = true;
    const closed = this.#servers.map(
      server => new Promise<void>(done => void server.close(() => done())),
    );
    for (const { session } of this.#sessions) if (!session.destroyed) session.goaway(0);
    for (const call of [...this.#calls])
      call.end({ code: GrpcStatus.unavailable, message: LEAVING });
    for (const { session } of this.#sessions) session.close();
    const cancelCut = this.#options.clock.after(graceMs, () => {
      for (const socket of this.#sockets.items()) socket.destroy();
    });
    await Promise.all(closed);
    cancelCut();
    this.#cancelTick?.();
    this.#scheduler.close();
  }

  #http2Options(): {
    settings: {
      maxConcurrentStreams: number;
      maxHeaderListSize: number;
      initialWindowSize: number;
    };
    maxHeaderListPairs: number;
    maxSessionMemory: number;
    maxSessionInvalidFrames: number;
    maxSessionRejectedStreams: number;
  } {
    return {
      settings: {
        maxConcurrentStreams: this.#limits.streamsPerConnectionMax,
        maxHeaderListSize: this.#limits.headerBytesMax,
        initialWindowSize: WAITING_WINDOW_BYTES,
      },
      maxHeaderListPairs: 128,
      maxSessionMemory: 64,
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
    };
  }

  #attach(server: Http2Server | Http2SecureServer, transport: "plaintext" | "tls"): void {
    this.#servers.push(server);
    server.on("connection", (socket: Socket) => this.#onSocket(socket));
    server.on("session", session => this.#onSession(session));
    server.on("sessionError", error => {
      this.#options.log.debug("HTTP/2 session failed", { error: error.message });
    });
    server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#onStream(transport, stream, headers),
    );
    server.on("error", error => {
      this.#options.log.error("xDS listener failed", { error: error.message });
    });
  }

  async #listen(server: Http2Server | Http2SecureServer, at: ListenAt): Promise<number> {
    await new Promise<void>((done, fail) => {
      server.once("error", fail);
      server.listen({ host: at.host ?? "127.0.0.1", port: at.port, backlog: BACKLOG }, () => {
        server.off("error", fail);
        done();
      });
    });
    return (server.address() as AddressInfo).port;
  }

  #onSocket(socket: Socket): void {
    const owner = ownerByAddress(socket.remoteAddress ?? "");
    const held = this.#closing ? undefined : this.#placeFor(this.#sockets, owner, socket);
    if (held === undefined) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    socket.once("close", () => held.remove());
  }

  /** Where there is none, one of an address with more of them gives way. */
  #placeFor(sockets: FairShares<Socket>, owner: string, socket: Socket): Held<Socket> | undefined {
    if (sockets.size >= this.#limits.connectionsMax) {
      const other = sockets.givesWayTo(owner);
      if (other === undefined) return undefined;
      other.remove();
      other.item.destroy();
    }
    return sockets.add(owner, socket);
  }

  #onSession(session: ServerHttp2Session): void {
    const nowMs = this.#options.clock.monotonic();
    const entry: Session = {
      session,
      openedAtMs: nowMs,
      streams: 0,
      hadStream: false,
      idleSinceMs: nowMs,
      pingedAtMs: nowMs,
      awaitingPong: false,
    };
    this.#sessions.add(entry);
    session.on("error", () => {});
    session.once("close", () => this.#sessions.delete(entry));
    session.on("stream", stream => {
      entry.streams++;
      entry.hadStream = true;
      stream.once("close", () => {
        entry.streams--;
        entry.idleSinceMs = this.#options.clock.monotonic();
      });
    });
  }

  #onStream(
    transport: "plaintext" | "tls",
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
  ): void {
    stream.on("error", () => {});
    const status = notGrpc(headers);
    if (status !== undefined) {
      stream.respond({ ":status": status }, { endStream: true });
      return;
    }
    const headerBytes = headerBytesOf(headers);
    if (headerBytes > this.#limits.headerBytesMax) {
      const message = `${headerBytes} bytes of headers, at most ${this.#limits.headerBytesMax}`;
      refuse(stream, { code: GrpcStatus.resourceExhausted, message });
      return;
    }
    const form = services.get(headers[":path"] ?? "");
    if (form === undefined) {
      const message = `unknown method ${headers[":path"] ?? ""}`;
      refuse(stream, { code: GrpcStatus.unimplemented, message });
      return;
    }
    if (this.#draining) {
      refuse(stream, { code: SHUTTING_DOWN.code, message: SHUTTING_DOWN.refused });
      return;
    }
    const address = ownerByAddress(addressOf(stream));
    const leave = this.#admission.atDoor(address, {
      turnAway: () => this.#turnAway(stream),
      admit: () => {
        this.#authenticate(transport, form, stream, headers).catch((error: unknown) => {
          this.#failed(stream, error);
        });
      },
    });
    stream.once("close", leave);
  }

  #turnAway(stream: ServerHttp2Stream): void {
    const { waiting } = this.#admission;
    const message = `${waiting} new streams are waiting already, and most of them of this client; try again later`;
    this.#options.onRefused?.({ address: addressOf(stream) }, message);
    refuse(stream, { code: GrpcStatus.resourceExhausted, message });
  }

  /** A bug of ours ends this stream and no other. */
  #failed(stream: ServerHttp2Stream, error: unknown): void {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#outsiders.error(addressOf(stream), "xDS stream could not be opened", {
      peer: addressOf(stream),
      error: reason,
    });
    if (!stream.destroyed) stream.destroy();
  }

  async #authenticate(
    transport: "plaintext" | "tls",
    form: "delta" | "sotw",
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
  ): Promise<void> {
    const answer = await this.#peerOf(transport, stream, headers);
    // Closed comes before destroyed: from then on nothing can be answered.
    if (stream.destroyed || stream.closed) return;
    const refusal = this.#draining ? SHUTTING_DOWN : answer;
    if ("refused" in refusal) {
      const by = `${ownerByAddress(addressOf(stream))} ${refusal.code}`;
      this.#outsiders.warn(by, "xDS stream refused", {
        peer: addressOf(stream),
        code: refusal.code,
        reason: refusal.refused,
      });
      const { claimedPod } = refusal;
      if (refusal !== SHUTTING_DOWN) this.#refused(stream, { claimedPod }, refusal.refused);
      refuse(stream, { code: refusal.code, message: refusal.refused });
      return;
    }
    const leave = this.#admission.toSeats(ownerOf(refusal), {
      turnAway: () => this.#turnAway(stream),
      admit: () => {
        try {
          this.#letIn(form, stream, refusal);
        } catch (error) {
          this.#failed(stream, error);
        }
      },
    });
    stream.once("close", leave);
  }

  #letIn(form: "delta" | "sotw", stream: ServerHttp2Stream, peer: Peer): void {
    if (stream.destroyed || stream.closed) return;
    if (this.#draining) {
      refuse(stream, { code: SHUTTING_DOWN.code, message: SHUTTING_DOWN.refused });
      return;
    }
    const owner = ownerOf(peer);
    if (!this.#makeRoom(owner)) {
      const message = `${this.#calls.size} streams are open already; try again later`;
      refuse(stream, { code: GrpcStatus.resourceExhausted, message });
      return;
    }
    const { source, controlPlane, clock } = this.#options;
    this.#admitted++;
    let held: Held<AdsCall> | undefined;
    const call: AdsCall = new AdsCall(
      {
        form,
        peer,
        source,
        outsiders: this.#outsiders,
        owner,
        budgets: this.#budgets,
        snapshots: this.#snapshots,
        scheduler: this.#scheduler,
        streamLimits: this.#streamLimits,
        serverLimits: aged(this.#limits, this.#admitted),
        controlPlane: controlPlane ?? "",
        onClose: () => {
          this.#calls.delete(call);
          held?.remove();
        },
        onRefused: why => this.#refused(stream, { provenPod: peer.claims["podUid"] }, why),
      },
      new GrpcStream(stream, announced => call.requestBytesMax(announced)),
      clock.monotonic(),
    );
    if (stream.destroyed || stream.closed) return;
    this.#calls.add(call);
    held = this.#shares.add(owner, call);
    widen(stream.session);
  }

  /** False: there is none, and this owner has as many streams as anybody. */
  #makeRoom(owner: string): boolean {
    if (this.#calls.size < this.#limits.streamsMax) return true;
    const other = this.#shares.givesWayTo(owner);
    const message = "too many streams are open, and most of them of this client";
    other?.item.end({ code: GrpcStatus.resourceExhausted, message });
    return other !== undefined;
  }

  #refused(stream: ServerHttp2Stream, pod: Omit<RefusedClient, "address">, why: string): void {
    this.#options.onRefused?.({ address: addressOf(stream), ...pod }, why);
  }

  async #peerOf(
    transport: "plaintext" | "tls",
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
  ): Promise<Peer | Refusal> {
    const unready: StreamEnd = {
      code: GrpcStatus.unavailable,
      message: "authentication failed for a reason that the server's log has",
    };
    try {
      return await this.#options.authenticate(credentialsOf(transport, stream, headers));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#outsiders.error("", "authentication failed", { error: reason });
      return { refused: unready.message, code: unready.code };
    }
  }

  #armTick(): void {
    this.#cancelTick = this.#options.clock.after(TICK_MS, () => {
      const nowMs = this.#options.clock.monotonic();
      for (const call of [...this.#calls]) call.tick(nowMs);
      // After what has come is read: when this process stood still, an answer to a ping may wait.
      setImmediate(() => {
        for (const session of this.#sessions) this.#checkSession(session, nowMs);
      });
      this.#armTick();
    });
  }

  #checkSession(entry: Session, nowMs: number): void {
    const { session } = entry;
    if (session.destroyed) return;
    const { handshakeMs, idleMs, pingEveryMs, pingAnswerMs } = this.#limits;
    const allowedMs = entry.hadStream ? idleMs : handshakeMs;
    if (entry.streams === 0 && nowMs - entry.idleSinceMs > allowedMs) {
      session.close();
      session.destroy();
      return;
    }
    if (entry.awaitingPong) {
      if (nowMs - entry.pingedAtMs > pingAnswerMs) session.destroy();
      return;
    }
    if (nowMs - entry.pingedAtMs < pingEveryMs) return;
    entry.pingedAtMs = nowMs;
    entry.awaitingPong = session.ping(() => {
      entry.awaitingPong = false;
    });
  }
}

const GOLDEN_RATIO = 0.618_033_988_749_895;

/** Streams that began together do not end together: each lives for 80 to 100 % of the age. */
function aged(limits: ServerLimits, nth: number): ServerLimits {
  const share = 0.8 + 0.2 * ((nth * GOLDEN_RATIO) % 1);
  return { ...limits, streamAgeMaxMs: limits.streamAgeMaxMs * share };
}

/** The streams of a connection have their windows together: the first one that is let in widens them. */
function widen(session: Http2Session | undefined): void {
  if (session === undefined || session.destroyed || session.closed || wide.has(session)) return;
  wide.add(session);
  session.settings({ initialWindowSize: WINDOW_BYTES });
}

const wide = new WeakSet<Http2Session>();

function addressOf(stream: ServerHttp2Stream): string {
  return stream.session?.socket.remoteAddress ?? "";
}

function budgetsOf(limits: ServerLimits): CallBudgets {
  const bytes = { server: limits.bufferedBytesMax, owner: limits.bufferedBytesPerOwnerMax };
  const names = { server: limits.unknownNamesMax, owner: limits.unknownNamesPerOwnerMax };
  return {
    bytes: new Budget(bytes, "bytes of unfinished requests"),
    names: new Budget(names, "names that nothing answers to"),
  };
}

/** Node announces the limit to the client, but does not keep it. */
function headerBytesOf(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) bytes += name.length + String(value).length;
  return bytes;
}

function contextOf(material: TlsMaterial): { cert: string; key: string; ca: string[] } {
  const { certificateChain, privateKey, clientRoots } = material;
  return { cert: certificateChain, key: privateKey, ca: [...clientRoots] };
}

function credentialsOf(
  transport: "plaintext" | "tls",
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Credentials {
  const socket = stream.session?.socket;
  let certificate: X509Certificate | undefined;
  if (socket instanceof TLSSocket && socket.authorized) {
    const raw = socket.getPeerX509Certificate();
    if (raw !== undefined) certificate = new X509Certificate(raw.raw);
  }
  return { transport, headers, certificate, address: socket?.remoteAddress ?? "" };
}
