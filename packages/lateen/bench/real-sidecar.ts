/** A real Envoy as a sidecar of the measured mesh: what one holds in memory. It carries no traffic. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../src/base/log.ts";
import { ProxyEnvironment } from "../src/base/proxy-environment.ts";
import { findEnvoy } from "../src/local/envoy-binary.ts";
import { bootstrap } from "../src/proxy/bootstrap.ts";
import type { JsonOutObject } from "../src/proxy/json.ts";
import { discoverySdsFiles } from "../src/proxy/xds-cluster.ts";
import { endChild, watched } from "./child.ts";
import { pause } from "./request.ts";

export interface SidecarOptions {
  readonly pod: SidecarPod;
  readonly xdsPort: number;
  /** Absent: plaintext. */
  readonly tls?: {
    readonly serverName: string;
    readonly token: string;
    readonly rootCertificate: string;
  };
}

export interface SidecarPod {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
}

export interface SidecarMemory {
  readonly rssBytes: number;
  /** The part of it that several Envoys of one node do not share. */
  readonly ownBytes: number;
  /** What Envoy's allocator has handed out. */
  readonly allocatedBytes: number;
}

export interface SidecarFigures {
  readonly beforeConfiguration: SidecarMemory;
  readonly configured: SidecarMemory;
  readonly clusters: number;
}

/** As Istio's proxies have by default. */
const CONCURRENCY = "2";
const CONFIGURED_WITHIN_MS = 60_000;
const SETTLE_MS = 3000;
const POLL_MS = 100;

/**
 * Starts Envoy 1.40 with the bootstrap of an injected pod, in a network namespace of its own, so that
 * its ports meet nobody's; it reaches the control plane through a socket in the file system.
 */
export class RealSidecar {
  readonly #directory = mkdtempSync(join(tmpdir(), `lateen-sidecar-${process.pid}-`));
  readonly #relay: Server;
  readonly #child: ChildProcess;
  #log = "";

  private constructor(envoy: string, options: SidecarOptions) {
    process.once("exit", () => rmSync(this.#directory, { recursive: true, force: true }));
    this.#writeFiles(options);
    this.#relay = createServer(from => {
      const to = connect(options.xdsPort, "127.0.0.1");
      for (const [a, b] of [
        [from, to],
        [to, from],
      ] as const) {
        a.pipe(b);
        a.on("error", () => b.destroy());
      }
    });
    const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
    const config = ["-c", this.#file("bootstrap.json"), "--concurrency", CONCURRENCY];
    const args = ["--net", envoy, ...config, "--disable-hot-restart", "--log-level", "warn"];
    this.#child = watched(
      spawn("unshare", [...asRoot, ...args], {
        stdio: ["ignore", "ignore", "pipe"],
        env: { ...process.env, ...environment(options.pod) },
      }),
    );
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#log = `${this.#log}${chunk}`.slice(-2000);
    });
  }

  /** Resolves with its memory without and with the mesh's configuration, and leaves it running. */
  static async start(
    options: SidecarOptions,
  ): Promise<{ readonly sidecar: RealSidecar; readonly figures: SidecarFigures }> {
    const found = await findEnvoy({ env: process.env, log: silentLog });
    if (!found.ok) throw new Error(found.diagnostics.map(each => each.message).join("\n"));
    const sidecar = new RealSidecar(found.value.path, options);
    try {
      return { sidecar, figures: await sidecar.#measure() };
    } catch (error) {
      await sidecar.stop();
      throw error;
    }
  }

  /** Its RSS at this moment, and what of it is its own. */
  async memory(): Promise<SidecarMemory> {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    const bytes = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
    const known = await this.#admin("/memory");
    const allocatedBytes = Number(/"allocated":\s*"(\d+)"/.exec(known)?.[1] ?? 0);
    return { rssBytes: bytes("VmRSS"), ownBytes: bytes("RssAnon"), allocatedBytes };
  }

  async stop(): Promise<void> {
    await endChild(this.#child);
    this.#relay.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #measure(): Promise<SidecarFigures> {
    await this.#until("Envoy's admin interface", async () => (await this.#admin("/ready")) !== "");
    await pause(SETTLE_MS);
    const beforeConfiguration = await this.memory();
    await new Promise<void>(done => this.#relay.listen(this.#file("xds.sock"), done));
    await this.#until("Envoy is configured", async () =>
      (await this.#admin("/ready")).startsWith("LIVE"),
    );
    await pause(SETTLE_MS);
    const configured = await this.memory();
    const clusters = await this.#stat("cluster_manager.active_clusters");
    const rejected = await this.#stat("listener_manager.lds.update_rejected");
    if (rejected > 0) throw new Error(`Envoy rejects listeners: ${this.#log}`);
    return { beforeConfiguration, configured, clusters };
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + CONFIGURED_WITHIN_MS;
    while (!(await holds())) {
      if (this.#child.exitCode !== null || performance.now() > end)
        throw new Error(`${what}: not reached\n${this.#log}`);
      await pause(POLL_MS);
    }
  }

  async #stat(name: string): Promise<number> {
    const text = await this.#admin(`/stats?filter=^${name.replaceAll(".", "\\.")}$`);
    return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
  }

  /** Empty while it does not listen. */
  #admin(path: string): Promise<string> {
    return new Promise(done => {
      const call = httpRequest({ socketPath: this.#file("admin.sock"), path }, response => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => done(text));
      });
      call.on("error", () => done(""));
      call.end();
    });
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  #writeFiles({ pod, tls: given }: SidecarOptions): void {
    const tls = given && {
      serverName: given.serverName,
      sdsDirectory: this.#directory,
      rootCertFile: this.#file("root.pem"),
      tokenFile: this.#file("token"),
    };
    const { namespace, name, address } = pod;
    const made = bootstrap({
      nodeId: `sidecar~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`,
      nodeCluster: `${name}.${namespace}`,
      metadata: { NAMESPACE: namespace, NAME: name, INSTANCE_IPS: address },
      discovery: { host: "127.0.0.1", port: 1, ...(tls && { tls }) },
      instanceIp: address,
      probes: [],
    });
    const pipe = (file: string): JsonOutObject => ({ pipe: { path: this.#file(file) } });
    const text = JSON.stringify({ ...made, admin: { address: pipe("admin.sock") } }).replace(
      JSON.stringify({ socket_address: { address: "127.0.0.1", port_value: 1 } }),
      JSON.stringify(pipe("xds.sock")),
    );
    const files = given &&
      tls && {
        ...discoverySdsFiles(tls),
        "root.pem": given.rootCertificate,
        token: given.token,
      };
    for (const [file, content] of Object.entries({ ...files, "bootstrap.json": text }))
      writeFileSync(this.#file(file), content, { mode: 0o600 });
  }
}

/** As the injector sets it. */
function environment({ name, namespace }: SidecarPod): Record<string, string> {
  return {
    [ProxyEnvironment.namespace]: namespace,
    [ProxyEnvironment.workload]: name,
    [ProxyEnvironment.app]: name,
    [ProxyEnvironment.version]: "v1",
    [ProxyEnvironment.canonicalService]: name,
    [ProxyEnvironment.canonicalRevision]: "v1",
    [ProxyEnvironment.cluster]: "Kubernetes",
    [ProxyEnvironment.peerMetadata]: "",
  };
}
