import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import type { Log } from "../base/log.ts";
import { answer, type DnsRecord, type DnsView } from "./dns-answers.ts";
import { type DnsForwarder, framed, unframed } from "./dns-forwarder.ts";

export interface DnsServerOptions {
  readonly view: DnsView;
  readonly forwarder: DnsForwarder;
  readonly log: Log;
}

const CLASSIC_UDP_SIZE = 512;
const MAX_UDP_SIZE = 4096;
const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 200;
const RcodeBits = { SERVFAIL: 2, NXDOMAIN: 3 } as const;

/** Answers the pods' DNS queries, over UDP and TCP; what is not ours goes to the host's resolvers. */
export class DnsServer {
  readonly #options: DnsServerOptions;
  readonly #connections = new Set<Socket>();
  #udp: UdpSocket | undefined;
  #tcp: Server | undefined;
  #isClosed = false;

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  async listen(address: string, port: number): Promise<void> {
    const udp = createSocket("udp4");
    const tcp = createServer(socket => this.#serve(socket));
    tcp.maxConnections = MAX_CONNECTIONS;
    udp.on("message", (query, from) => {
      void this.#respond(query, "udp").then(response => {
        if (response === undefined || this.#isClosed) return;
        udp.send(response, from.port, from.address, () => {});
      });
    });
    await Promise.all([
      new Promise<void>((done, fail) => udp.once("error", fail).bind(port, address, done)),
      new Promise<void>((done, fail) => tcp.once("error", fail).listen(port, address, done)),
    ]);
    udp.on("error", error => this.#options.log.warn("DNS socket", { error: error.message }));
    [this.#udp, this.#tcp] = [udp, tcp];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#udp?.close();
    for (const socket of this.#connections) socket.destroy();
    const tcp = this.#tcp;
    if (tcp !== undefined) await new Promise(done => tcp.close(done));
  }

  #serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    this.#connections.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("data", chunk => {
      received = Buffer.concat([received, chunk]);
      for (let query = unframed(received); query !== undefined; query = unframed(received)) {
        received = received.subarray(2 + query.length);
        void this.#respond(Buffer.from(query), "tcp").then(response => {
          if (response !== undefined && !socket.destroyed) socket.write(framed(response));
        });
      }
    });
  }

  /** Never rejects: what a pod sends ends nothing but its own query. */
  async #respond(bytes: Buffer, transport: "udp" | "tcp"): Promise<Buffer | undefined> {
    try {
      return await this.#responseTo(bytes, transport);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#options.log.warn("a DNS query could not be answered", { error: text });
      return undefined;
    }
  }

  /** undefined: what came is no query. */
  async #responseTo(bytes: Buffer, transport: "udp" | "tcp"): Promise<Buffer | undefined> {
    const query = parse(bytes);
    const question = query?.questions?.[0];
    if (query === undefined || question === undefined || query.type !== "query") return undefined;
    const found = answer(this.#options.view, question.name, question.type);
    if (found.kind === "forward") return this.#forward(bytes, query, transport);
    if (found.kind === "NXDOMAIN") return response(query, [], RcodeBits.NXDOMAIN);
    const records = await this.#withTargets(found.records, question.type);
    return sized(query, records, transport);
  }

  async #forward(
    bytes: Buffer,
    query: DecodedPacket,
    transport: "udp" | "tcp",
  ): Promise<Buffer | undefined> {
    const forwarded = await this.#options.forwarder.ask(bytes, transport);
    if (forwarded === "nobody") return response(query, [], RcodeBits.NXDOMAIN);
    return forwarded ?? response(query, [], RcodeBits.SERVFAIL);
  }

  /** A client that asks for an address wants it also where the name is another one's. */
  async #withTargets(records: readonly DnsRecord[], type: string): Promise<Answer[]> {
    const answers: Answer[] = records.map(toAnswer);
    const alias = records.find(record => record.type === "CNAME");
    if (alias === undefined || type !== "A") return answers;
    const own = answer(this.#options.view, alias.data, "A");
    if (own.kind === "records") return [...answers, ...own.records.map(toAnswer)];
    if (own.kind === "NXDOMAIN") return answers;
    const question = { type: "A", name: alias.data } as const;
    const query = encode({ type: "query", id: 1, flags: RECURSION_DESIRED, questions: [question] });
    const forwarded = await this.#options.forwarder.ask(query, "udp");
    const found = Buffer.isBuffer(forwarded) ? parse(forwarded) : undefined;
    return [...answers, ...(found?.answers ?? [])];
  }
}

function parse(bytes: Buffer): DecodedPacket | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

function toAnswer(record: DnsRecord): Answer {
  return record.type === "SRV"
    ? { ...record, data: { ...record.data, priority: 0, weight: 100 } }
    : record;
}

function response(query: DecodedPacket, answers: Answer[], flags: number): Buffer {
  const asked = (query.flags ?? 0) & RECURSION_DESIRED;
  return encode({
    type: "response",
    id: query.id ?? 0,
    flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | asked | flags,
    questions: query.questions ?? [],
    answers,
  });
}

/** Over UDP only what the client can take; it asks again over TCP when something is cut off. */
function sized(query: DecodedPacket, answers: Answer[], transport: "udp" | "tcp"): Buffer {
  const whole = response(query, answers, 0);
  if (transport === "tcp") return whole;
  const options = query.additionals?.find(record => record.type === "OPT");
  const offered = options?.type === "OPT" ? options.udpPayloadSize : CLASSIC_UDP_SIZE;
  const limit = Math.min(MAX_UDP_SIZE, Math.max(CLASSIC_UDP_SIZE, offered));
  return whole.length <= limit ? whole : response(query, [], TRUNCATED_RESPONSE);
}
