/** `lateen discovery`: the control plane as a process of its own. */
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import {
  type Command,
  type Invocation,
  listFlag,
  numberFlag,
  stringFlag,
  UserError,
} from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import type { Mesh } from "../model/types.ts";
import { systemClock } from "../net/clock.ts";
import { createLog, type LogLevel, logLevels } from "../net/log.ts";
import type { DiscoverySource, Endpoint } from "./discovery.ts";
import { untilSignal } from "./until-signal.ts";

export const discoveryCommand: Command = {
  name: "discovery",
  summary: "Runs the control plane",
  description:
    "Runs the control plane: xDS for proxies, certificates, debug and metrics. Configuration comes\n" +
    "from a folder of Kubernetes YAML (--files), or from an API server (--api-server).",
  flags: [
    {
      name: "files",
      kind: "string",
      description: "Folder of Kubernetes YAML; changes are followed",
    },
    {
      name: "mesh-config",
      kind: "string",
      description: "File with MeshConfig; ConfigMap istio in istio-system goes before it",
    },
    { name: "api-server", kind: "string", description: "URL of the configuration API" },
    { name: "token-file", kind: "string", description: "File with the token for the API server" },
    {
      name: "ca-file",
      kind: "string",
      description: "File with the root of the API server's certificate",
    },
    {
      name: "grpc-addr",
      kind: "string",
      description: "Plaintext xDS, without secrets; empty for none",
      default: "127.0.0.1:15010",
    },
    {
      name: "tls-addr",
      kind: "list",
      description: "xDS over TLS; needs --api-server, which keeps the CA",
    },
    {
      name: "http-addr",
      kind: "list",
      description: "Debug, metrics and readiness (default 127.0.0.1:8080 and 127.0.0.1:15014)",
    },
    { name: "state-dir", kind: "string", description: "Folder for what must outlive the process" },
    { name: "instance", kind: "string", description: "Name of this instance, shown by ps" },
    {
      name: "certificate-lifetime",
      kind: "number",
      description: "Lifetime of workload certificates in seconds (default 24 h)",
    },
    {
      name: "log-level",
      kind: "string",
      description: "How much to log",
      default: "info",
      values: logLevels,
    },
    {
      name: "log-format",
      kind: "string",
      description: "json or text",
      default: "text",
      values: ["json", "text"],
    },
  ],
  examples: [
    "lateen discovery --files ./config",
    "lateen discovery --files ./config --mesh-config mesh.yaml --grpc-addr 127.0.0.1:15010",
  ],
  async run(ctx, call) {
    const level = logLevels.find(each => each === stringFlag(call, "log-level")) ?? "info";
    const log = openLog(level, stringFlag(call, "log-format") === "json" ? "json" : "text", line =>
      ctx.stderr.write(line),
    );
    const lifetime = numberFlag(call, "certificate-lifetime");
    // Loaded only here: most commands are over before this would be read.
    const { startDiscovery } = await import("./discovery.ts");
    const running = await startDiscovery({
      source: sourceOf(call),
      mesh: await meshConfig(ctx, call),
      plaintext: endpoints(stringFlag(call, "grpc-addr"))[0],
      tls: listFlag(call, "tls-addr").flatMap(endpoints),
      http: httpEndpoints(call),
      stateDir: stringFlag(call, "state-dir"),
      instance: stringFlag(call, "instance") ?? `istiod-${hostname()}`,
      version: ctx.version,
      certificateLifetimeMs: lifetime === undefined ? undefined : lifetime * 1000,
      clock: systemClock,
      random: Math.random,
      log,
    }).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      ctx.stderr.write(`the control plane can not start: ${why}\n`);
      ctx.stderr.write("where it listens: --grpc-addr, --tls-addr, --http-addr\n");
      // What has begun already, watches and listeners, would keep alive a process that serves nothing.
      process.exit(1);
    });
    ctx.stdout.write(`xDS (plaintext): ${running.plaintextPort ?? "none"}\n`);
    ctx.stdout.write(`xDS (TLS): ${running.tlsPorts.join(", ") || "none"}\n`);
    ctx.stdout.write(`HTTP: ${running.httpPorts.join(", ") || "none"}\n`);
    await untilSignal().signal;
    await running.stop();
    return 0;
  },
};

function openLog(level: LogLevel, format: "json" | "text", write: (line: string) => void) {
  return createLog({ format, level, clock: systemClock, write });
}

const NOT_WITH_FILES = ["tls-addr", "token-file", "ca-file", "certificate-lifetime"];

function sourceOf(call: Invocation): DiscoverySource {
  const directory = stringFlag(call, "files");
  const server = stringFlag(call, "api-server");
  if (directory !== undefined && server !== undefined) {
    throw new UserError("--files and --api-server exclude one another");
  }
  const given = NOT_WITH_FILES.find(name => call.flags[name] !== undefined);
  if (directory !== undefined && given !== undefined) {
    throw new UserError(
      `--${given} does nothing with --files: a folder has no CA, so there are no certificates`,
      "leave it out, or take the configuration from --api-server URL",
    );
  }
  if (directory !== undefined) {
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new UserError(`--files: there is no folder ${directory}`);
    }
    return { kind: "files", directory };
  }
  if (server !== undefined) {
    const file = stringFlag(call, "token-file");
    // Read again for each request: whoever wrote the token may replace it.
    const token = () => (file === undefined ? "" : readFileSync(file, "utf8").trim());
    const caFile = stringFlag(call, "ca-file");
    const ca = caFile === undefined ? undefined : readFileSync(caFile, "utf8");
    return { kind: "api", server, token, ca };
  }
  throw new UserError(
    "where does the configuration come from?",
    "give --files DIR or --api-server URL",
  );
}

async function meshConfig(ctx: CliContext, call: Invocation): Promise<Mesh | undefined> {
  const file = stringFlag(call, "mesh-config");
  if (file === undefined) return undefined;
  const { parseMeshConfig } = await import("./mesh-config-input.ts");
  try {
    return parseMeshConfig(readFileSync(file, "utf8"), message =>
      ctx.stderr.write(`Warning: --mesh-config ${file}: ${message}\n`),
    );
  } catch (error) {
    throw new UserError(`--mesh-config ${file}: ${error instanceof Error ? error.message : error}`);
  }
}

function httpEndpoints(call: Invocation): Endpoint[] {
  const given = listFlag(call, "http-addr");
  const texts = given.length === 0 ? ["127.0.0.1:8080", "127.0.0.1:15014"] : given;
  return texts.flatMap(endpoints);
}

/** `host:port`, `[v6]:port` or `port` on loopback; nothing for an empty text. */
function endpoints(text: string | undefined): Endpoint[] {
  if (text === undefined || text === "") return [];
  const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new UserError(`"${text}" is not an address; expected host:port`);
  }
  return [{ host: match[1] ?? match[2] ?? "127.0.0.1", port }];
}
