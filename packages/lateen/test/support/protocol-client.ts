/**
 * A client of one stream machine, without sockets: keeps what a real client would, in either form,
 * so that a scenario can be told once and played twice.
 */
import {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import {
  defaultStreamLimits,
  type StreamEnd,
  type StreamLimits,
} from "../../src/discovery/limits.ts";
import { SnapshotCache } from "../../src/discovery/snapshot.ts";
import { AdsStream } from "../../src/discovery/stream.ts";
import { isWholeType } from "../../src/discovery/type-order.ts";
import type { ConfigSource } from "../../src/discovery/types.ts";

export type Form = "delta" | "sotw";

export interface Received {
  readonly type: string;
  readonly nonce: string;
  readonly version: string;
  /** `name@version`, in order. */
  readonly resources: readonly string[];
  readonly removed: readonly string[];
}

interface TypeState {
  names: Set<string>;
  wildcard: boolean;
  /** What the client has accepted. */
  have: Map<string, string>;
  nonce: string;
  version: string;
}

export const testPeer = {
  transport: "plaintext",
  identity: undefined,
  claims: {},
  address: "127.0.0.1",
} as const;

export class ProtocolClient {
  readonly form: Form;
  readonly stream: AdsStream;
  readonly log: Received[] = [];
  nowMs = 0;
  wakes = 0;
  end: StreamEnd | undefined;
  readonly #types = new Map<string, TypeState>();
  #nodeSent = false;

  constructor(
    form: Form,
    source: ConfigSource,
    options: {
      limits?: Partial<StreamLimits>;
      /** What an earlier stream of the same client left. */
      resume?: ProtocolClient;
      snapshots?: SnapshotCache;
    } = {},
  ) {
    this.form = form;
    const limits = { ...defaultStreamLimits, ...options.limits };
    const snapshots = options.snapshots ?? new SnapshotCache();
    const wake = (): void => void this.wakes++;
    this.stream = new AdsStream(
      { form, source, peer: testPeer, limits, snapshots, controlPlane: "", wake },
      this.nowMs,
    );
    if (options.resume !== undefined) this.#resume(options.resume);
  }

  /** Subscribes again to everything, as a client does on a new stream. */
  #resume(before: ProtocolClient): void {
    for (const [type, state] of before.#types) {
      const { wildcard, names, have, version } = state;
      this.#types.set(type, {
        names: new Set(names),
        wildcard,
        have: new Map(have),
        nonce: "",
        version,
      });
      const explicit = [...names];
      const subscribe = wildcard && explicit.length > 0 ? ["*", ...explicit] : explicit;
      this.#request(type, { subscribe, initial: Object.fromEntries(have), first: true });
    }
  }

  have(type: string): string[] {
    const have = this.#types.get(type)?.have ?? new Map();
    return [...have].map(([name, version]) => `${name}@${version}`).sort();
  }

  /** Empty: the wildcard. */
  subscribe(type: string, ...names: string[]): void {
    const first = !this.#types.has(type);
    const state = this.#state(type);
    if (names.length === 0 || names.includes("*")) state.wildcard = true;
    for (const name of names) if (name !== "*") state.names.add(name);
    this.#request(type, { subscribe: names, first });
  }

  unsubscribe(type: string, ...names: string[]): void {
    const state = this.#state(type);
    for (const name of names) {
      state.names.delete(name);
      if (!state.wildcard) state.have.delete(name);
    }
    this.#request(type, { unsubscribe: names });
  }

  /** Takes the next response without answering it, or undefined when there is none. */
  take(): Received | undefined {
    const { hasWork } = this.stream;
    let pulled = this.stream.pull(() => false);
    // A stream that says so is not asked again before something wakes it.
    if (!hasWork && pulled.kind !== "idle") throw new Error("there was work, and it said none");
    for (let i = 0; pulled.kind === "more" && i < 100; i++) pulled = this.stream.pull(() => false);
    if (pulled.kind !== "message") return undefined;
    const bytes = Buffer.concat(pulled.message.parts);
    if (bytes.length !== pulled.message.bytes) throw new Error("wrong message length");
    const received = this.form === "delta" ? decodeDelta(bytes) : this.#decodeSotw(bytes);
    this.log.push(received);
    return received;
  }

  ack(received: Received): void {
    const state = this.#state(received.type);
    if (this.form === "sotw" && isWholeType(received.type)) state.have.clear();
    for (const resource of received.resources) {
      const [name = "", version = ""] = resource.split("@");
      state.have.set(name, version);
    }
    for (const name of received.removed) state.have.delete(name);
    state.version = received.version;
    this.#request(received.type, { nonce: received.nonce });
  }

  nack(received: Received, message = "bad"): void {
    this.#request(received.type, { nonce: received.nonce, message });
  }

  /** Takes and acknowledges until there is nothing left; what came, as `type: resources`. */
  settle(max = 200): Received[] {
    const all: Received[] = [];
    for (let i = 0; i < max; i++) {
      const received = this.take();
      if (received === undefined) return all;
      all.push(received);
      this.ack(received);
    }
    throw new Error(`not settled after ${max} responses`);
  }

  tick(ms: number): void {
    this.nowMs += ms;
    this.stream.tick(this.nowMs);
  }

  /** Bytes of a request as they are, for what no well-behaved client sends. */
  raw(bytes: Uint8Array): void {
    this.end = this.stream.receive(bytes) ?? this.end;
  }

  #state(type: string): TypeState {
    let state = this.#types.get(type);
    if (state === undefined) {
      state = { names: new Set(), wildcard: false, have: new Map(), nonce: "", version: "" };
      this.#types.set(type, state);
    }
    return state;
  }

  #request(
    type: string,
    request: {
      subscribe?: string[];
      unsubscribe?: string[];
      initial?: Record<string, string>;
      nonce?: string;
      message?: string;
      first?: boolean;
    },
  ): void {
    const state = this.#state(type);
    const node = this.#nodeSent ? undefined : { id: "proxy" };
    this.#nodeSent = true;
    const error =
      request.message === undefined ? undefined : { code: 13, message: request.message };
    if (this.form === "delta") {
      const message: DeltaDiscoveryRequest = {
        typeUrl: type,
        node,
        resourceNamesSubscribe: request.subscribe ?? [],
        resourceNamesUnsubscribe: request.unsubscribe ?? [],
        initialResourceVersions: request.initial ?? {},
        responseNonce: request.nonce ?? "",
        errorDetail: error,
      };
      this.raw(DeltaDiscoveryRequest.encode(message).finish());
      return;
    }
    if (request.nonce !== undefined) state.nonce = request.nonce;
    const names = state.wildcard && state.names.size > 0 ? ["*", ...state.names] : [...state.names];
    const message: DiscoveryRequest = {
      typeUrl: type,
      node,
      resourceNames: names,
      responseNonce: request.first === true ? "" : state.nonce,
      versionInfo: state.version,
      errorDetail: error,
    };
    this.raw(DiscoveryRequest.encode(message).finish());
  }

  #decodeSotw(bytes: Uint8Array): Received {
    const response = DiscoveryResponse.decode(bytes);
    const type = response.typeUrl ?? "";
    const resources = (response.resources ?? []).map(any => textOf(any.value));
    const names = new Set(resources.map(resource => resource.split("@")[0] ?? ""));
    const had = isWholeType(type) ? [...this.#state(type).have.keys()] : [];
    const removed = had.filter(name => !names.has(name));
    const { nonce = "", versionInfo = "" } = response;
    return { type, nonce, version: versionInfo, resources, removed };
  }
}

function decodeDelta(bytes: Uint8Array): Received {
  const response = DeltaDiscoveryResponse.decode(bytes);
  return {
    type: response.typeUrl ?? "",
    nonce: response.nonce ?? "",
    version: response.systemVersionInfo ?? "",
    resources: (response.resources ?? []).map(({ name, version, resource }) => {
      const body = resource?.value ?? new Uint8Array();
      if (!isMessage(body) && !textOf(body).startsWith(`${name}@${version}`))
        throw new Error(`${name}@${version} has ${textOf(body)}`);
      return `${name}@${version}`;
    }),
    removed: [...(response.removedResources ?? [])],
  };
}

/** Real messages begin with the tag of a low field; what a fake source sends is text. */
function isMessage(body: Uint8Array): boolean {
  return (body[0] ?? 0) < 0x20;
}

/** What a fake source's body says, or the name of a resource that has it as its first field. */
function textOf(body: Uint8Array = new Uint8Array()): string {
  const from = isMessage(body) ? body.subarray(2, 2 + (body[1] ?? 0)) : body;
  return Buffer.from(from).toString();
}
