import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect } from "node:net";

const TIMEOUT_MS = 2_000;
const MAX_WAITING = 500;
const MAX_MESSAGE = 65_535;

/** Passes queries on, whole and unread, to the host's resolvers. */
export class DnsForwarder {
  readonly #resolvers: () => readonly string[];
  #waiting = 0;

  /** `resolvers` is asked for each query: the host may change networks. */
  constructor(resolvers: () => readonly string[] = hostResolvers) {
    this.#resolvers = resolvers;
  }

  /** The answer; `nobody` where the host has no resolver, undefined where none has answered. */
  async ask(query: Buffer, transport: "udp" | "tcp"): Promise<Buffer | "nobody" | undefined> {
    const resolvers = this.#resolvers();
    if (resolvers.length === 0) return "nobody";
    if (this.#waiting >= MAX_WAITING) return undefined;
    this.#waiting++;
    try {
      for (const resolver of resolvers.slice(0, 3)) {
        const found = await (transport === "udp" ? askUdp : askTcp)(resolver, query);
        if (found !== undefined) return found;
      }
      return undefined;
    } finally {
      this.#waiting--;
    }
  }
}

/** The addresses in the host's own /etc/resolv.conf. */
function hostResolvers(): readonly string[] {
  try {
    const text = readFileSync("/etc/resolv.conf", "utf8");
    return [...text.matchAll(/^\s*nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].flatMap(
      match => match[1] ?? [],
    );
  } catch {
    return [];
  }
}

function askUdp(resolver: string, query: Buffer): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const socket = createSocket("udp4");
    let isOpen = true;
    const done = (found: Buffer | undefined): void => {
      if (!isOpen) return;
      isOpen = false;
      clearTimeout(timer);
      socket.close();
      resolve(found);
    };
    const timer = setTimeout(() => done(undefined), TIMEOUT_MS);
    socket.on("error", () => done(undefined));
    socket.on("message", message => {
      // Only an answer to this very query: same id.
      if (message.length >= 12 && message.readUInt16BE(0) === query.readUInt16BE(0)) done(message);
    });
    // Connected: the kernel takes answers from this resolver only. Not by a callback, which is called
    // also where there is no way to the resolver.
    socket.once("connect", () => socket.send(query));
    socket.connect(53, resolver);
  });
}

function askTcp(resolver: string, query: Buffer): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const socket = connect({ host: resolver, port: 53, timeout: TIMEOUT_MS });
    let received = Buffer.alloc(0);
    const done = (found: Buffer | undefined): void => {
      socket.destroy();
      resolve(found);
    };
    socket.on("error", () => done(undefined));
    socket.on("timeout", () => done(undefined));
    socket.on("close", () => done(undefined));
    socket.on("connect", () => socket.write(framed(query)));
    socket.on("data", chunk => {
      received = Buffer.concat([received, chunk]);
      const message = unframed(received);
      if (message !== undefined) done(message);
      else if (received.length > MAX_MESSAGE + 2) done(undefined);
    });
  });
}

/** A DNS message on TCP has its length in front. */
export function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** The first whole message, if there is one. */
export function unframed(received: Buffer): Buffer | undefined {
  if (received.length < 2) return undefined;
  const end = 2 + received.readUInt16BE(0);
  return received.length >= end ? received.subarray(2, end) : undefined;
}
