import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { envoyBinary } from "./envoy.ts";

const START_MS = 60_000;

/** A running Envoy with its admin interface on a free loopback port. */
export class EnvoyProcess {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #log: string[] = [];
  #adminUrl = "";

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#log.push(chunk.toString());
      if (this.#log.length > 2000) this.#log.shift();
    });
  }

  /** `bootstrap` gets an admin address where it has none. `env` adds to our own. */
  static async start(
    bootstrap: Readonly<Record<string, unknown>>,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<EnvoyProcess> {
    const directory = await mkdtemp(join(tmpdir(), "lateen-envoy-"));
    const adminFile = join(directory, "admin");
    const admin = bootstrap["admin"] ?? {
      address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    };
    // A file, as one argument can not be longer than 128 KB.
    const configFile = join(directory, "bootstrap.json");
    await writeFile(configFile, JSON.stringify({ ...bootstrap, admin }));
    const child = spawn(
      await envoyBinary(),
      [
        "-c",
        configFile,
        "--admin-address-path",
        adminFile,
        "--disable-hot-restart",
        "--concurrency",
        "1",
        ...args,
      ],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env } },
    );
    const envoy = new EnvoyProcess(child, directory);
    await eventually("Envoy's admin interface", async () => {
      if (child.exitCode !== null) throw new Error(`Envoy ended: ${envoy.log.slice(-2000)}`);
      const address = await readFile(adminFile, "utf8").catch(() => "");
      envoy.#adminUrl = `http://${address.trim()}`;
      return address !== "";
    });
    return envoy;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get log(): string {
    return this.#log.join("");
  }

  async admin(path: string, method = "GET"): Promise<string> {
    const answer = await fetch(`${this.#adminUrl}${path}`, { method });
    return answer.text();
  }

  /** A counter or gauge, 0 when Envoy does not know it. */
  async stat(name: string): Promise<number> {
    const text = await this.admin(`/stats?filter=^${name.replaceAll(".", "\\.")}$`);
    return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
  }

  async isLive(): Promise<boolean> {
    return (await this.admin("/ready")).startsWith("LIVE");
  }

  /** The port that a listener with port 0 was given. */
  async listenerPort(name: string): Promise<number> {
    let port = 0;
    await eventually(`listener ${name}`, async () => {
      const text = await this.admin("/listeners?format=text");
      port = Number(new RegExp(`^${name}::.*:(\\d+)$`, "m").exec(text)?.[1] ?? 0);
      return port !== 0;
    });
    return port;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise(done => this.#child.once("exit", done));
      this.#child.kill("SIGKILL");
      await ended;
    }
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Tries again until it holds; fails naming what was waited for. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs: number = START_MS,
): Promise<void> {
  const endsAt = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > endsAt) throw new Error(`${what}: not within ${withinMs} ms`);
    await new Promise(next => setTimeout(next, 20));
  }
}
