/**
 * A bounded load generator, run inside a pod: `node load.ts URL... [--rate N] [--seconds N]`. Half of
 * the requests go over a few keep-alive connections, half over a connection of their own each. It ends
 * by itself and prints one line of JSON for each URL, a LoadReport. With `--until FILE` it goes on after
 * `--seconds` until the file is there, for 600 s at most. With `--progress N` it prints a line `sent N`
 * after every N requests. `{a,b,c}` in a URL is each of these in turn.
 */
import { existsSync } from "node:fs";
import { Agent, request } from "node:http";
import { parseArgs } from "node:util";

export interface LoadFailure {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly connection: "keep-alive" | "new";
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** The answer's body or the error, cut short. */
  readonly what: string;
}

export interface LoadReport {
  readonly seconds: number;
  readonly sent: number;
  readonly good: number;
  /** Requests by kind of connection. */
  readonly keepAlive: number;
  readonly fresh: number;
  /** How many keep-alive connections were opened. */
  readonly connections: number;
  /** How many connections were opened for the others. */
  readonly freshConnections: number;
  /** How many requests were under way at a time, on the average. */
  readonly inFlight: number;
  /** Good answers of servers that got SIGTERM while they were at it, and before they began. */
  readonly sigterm: { readonly during: number; readonly before: number };
  /** Answers by the name of the server that gave them. */
  readonly servers: Readonly<Record<string, number>>;
  readonly failures: readonly LoadFailure[];
}

interface Plan {
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
  /** A file. */
  readonly until: string | undefined;
  /** How many requests there are between two lines of progress. */
  readonly progress: number;
}

const MAX_RATE = 200;
const MAX_SECONDS = 600;
const REQUEST_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_SOCKETS = 6;
const MAX_TEXT = 200;

function positive(text: string | undefined, fallback: number, most: number): number {
  const value = Number(text ?? fallback);
  if (!(value > 0 && value <= most)) throw new Error(`${text}: expected a number up to ${most}`);
  return value;
}

class Load {
  /** Asked in turn. */
  readonly #urls: readonly string[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: KEEP_ALIVE_SOCKETS });
  readonly #sockets = new WeakSet<object>();
  readonly #servers: Record<string, number> = {};
  readonly #failures: LoadFailure[] = [];
  readonly #sigterm = { during: 0, before: 0 };
  #connections = { "keep-alive": 0, new: 0 };
  #good = 0;
  #spentMs = 0;
  #counts = { "keep-alive": 0, new: 0 };

  constructor(url: string) {
    const [, before = url, choices = "", after = ""] = /^(.*)\{(.*)\}(.*)$/.exec(url) ?? [];
    this.#urls = choices.split(",").map(choice => before + choice + after);
  }

  async run({ rate, seconds, until, progress }: Plan): Promise<LoadReport> {
    const begin = performance.now();
    const least = Math.round(rate * seconds);
    const most = until === undefined ? least : rate * MAX_SECONDS;
    const pending: Promise<void>[] = [];
    for (let i = 0; i < most; i++) {
      const wait = begin + (i * 1000) / rate - performance.now();
      if (wait > 0) await new Promise(done => setTimeout(done, wait));
      if (until !== undefined && i >= least && i % rate === 0 && existsSync(until)) break;
      const url = this.#urls[i % this.#urls.length] ?? "";
      pending.push(this.#send(url, i % 2 === 0 ? "keep-alive" : "new"));
      if (pending.length % progress === 0) process.stdout.write(`sent ${pending.length}\n`);
    }
    await Promise.all(pending);
    this.#agent.destroy();
    const elapsedMs = performance.now() - begin;
    return {
      seconds: elapsedMs / 1000,
      sent: pending.length,
      good: this.#good,
      keepAlive: this.#counts["keep-alive"],
      fresh: this.#counts.new,
      connections: this.#connections["keep-alive"],
      freshConnections: this.#connections.new,
      inFlight: this.#spentMs / elapsedMs,
      sigterm: this.#sigterm,
      servers: this.#servers,
      failures: this.#failures,
    };
  }

  #send(url: string, connection: LoadFailure["connection"]): Promise<void> {
    this.#counts[connection]++;
    const agent = connection === "keep-alive" ? this.#agent : false;
    const begin = performance.now();
    return new Promise(resolve => {
      const end = (status: number, text: string): void => {
        this.#spentMs += performance.now() - begin;
        if (status === 200) this.#count(text);
        else {
          const what = text.slice(0, MAX_TEXT);
          this.#failures.push({ at: Date.now(), connection, status, what });
        }
        resolve();
      };
      const call = request(url, { agent, timeout: REQUEST_TIMEOUT_MS }, response => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        const sigterm = response.headers["x-sigterm"];
        if (sigterm === "during" || sigterm === "before") this.#sigterm[sigterm]++;
        response.on("end", () => end(response.statusCode ?? 0, body));
        response.on("error", error => end(0, `in the answer: ${error.message}`));
      });
      // Whose fault a timeout is: the name server's, the way's, or the one's at its end.
      let step = "no connection was free";
      call.on("socket", socket => {
        step = socket.connecting ? "the name was not resolved" : "sent, and not answered";
        socket.once("lookup", () => {
          step = "not connected";
        });
        socket.once("connect", () => {
          step = "sent, and not answered";
        });
        if (this.#sockets.has(socket)) return;
        this.#sockets.add(socket);
        this.#connections[connection]++;
      });
      call.on("timeout", () => call.destroy(new Error(`timeout: ${step}`)));
      call.on("error", error => end(0, error.message));
      call.end();
    });
  }

  #count(body: string): void {
    this.#good++;
    const server = /ServerName: ([^,]+)/.exec(body)?.[1] ?? "?";
    this.#servers[server] = (this.#servers[server] ?? 0) + 1;
  }
}

const { values, positionals } = parseArgs({
  options: {
    rate: { type: "string" },
    seconds: { type: "string" },
    until: { type: "string" },
    progress: { type: "string" },
  },
  allowPositionals: true,
});
const rate = positive(values.rate, 50, MAX_RATE);
const seconds = positive(values.seconds, 30, MAX_SECONDS);
const progress = positive(values.progress, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
const plan: Plan = { rate, seconds, until: values.until, progress };
const runs = positionals.map(url => new Load(url).run(plan));
for (const report of await Promise.all(runs)) process.stdout.write(`${JSON.stringify(report)}\n`);
