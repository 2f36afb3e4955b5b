/** `lateen discovery`: the control plane as a process of its own. */
import { existsSync, readFileSync, statSync } from "node:fs";
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
import { createLog, type LogLevel, logLevels, type RootLog } from "../net/log.ts";
import { customHostsFrom } from "./custom-hosts.ts";
import type { DiscoveryOptions, DiscoverySource, Endpoint } from "./discovery-options.ts";
import { rootRenewalFrom } from "./root-renewal-settings.ts";
import { untilSignal } from "./until-signal.ts";

export const discoveryCommand: Command = {
  name: "discovery",
  summary: "Runs the control plane",
  description:
    "Runs the control plane: xDS for proxies, certificates, debug and metrics. Configuration comes\n" +
    "from the Kubernetes cluster whose pod it runs in, or that --kubeconfig or --context name, from a\n" +
    "folder of Kubernetes YAML (--files), or from the API server of a local mesh (--api-server).\n" +
    "It listens on Istio's ports 15010, 15012 (for a cluster), 15014 and 8080: in a pod of all\n" +
    "addresses, elsewhere of loopback.",
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
      name: "kubeconfig",
      kind: "string",
      description:
        "Kubeconfig of the cluster (default, with --context: $KUBECONFIG, ~/.kube/config)",
    },
    { name: "context", kind: "string", description: "Context of the kubeconfig" },
    {
      name: "system-namespace",
      kind: "string",
      description: "Root namespace in a cluster (default: the pod's own, or istio-system)",
    },
    { name: "revision", kind: "string", description: "Control-plane revision", default: "default" },
    {
      name: "grpc-addr",
      kind: "string",
      description:
        "Plaintext xDS, without secrets; empty for none (default 127.0.0.1:15010; in a pod [::]:15010)",
    },
    {
      name: "tls-addr",
      kind: "list",
      description:
        "xDS over TLS; with a CA, so not with --files (default for a cluster: port 15012)",
    },
    {
      name: "http-addr",
      kind: "list",
      description:
        "Debug, metrics and readiness (default ports 8080 and 15014, addresses as above)",
    },
    {
      name: "https-addr",
      kind: "string",
      description: "Webhooks of a Kubernetes cluster (Istio's :15017); none without it",
    },
    {
      name: "ctrlz-addr",
      kind: "string",
      description:
        "Istio's ControlZ: log levels, for istioctl admin log; empty for none (default in a pod 127.0.0.1:9876)",
    },
    { name: "state-dir", kind: "string", description: "Folder for what must outlive the process" },
    { name: "instance", kind: "string", description: "Name of this instance, shown by ps" },
    {
      name: "certificate-lifetime",
      kind: "number",
      description: "Lifetime of workload certificates in seconds (default 24 h)",
    },
    {
      name: "shutdown-duration",
      kind: "number",
      description:
        "Seconds in which streams go to other replicas when it is asked to end (default: in a pod 10, else 0)",
    },
    {
      name: "root-spread",
      kind: "number",
      description:
        "Seconds until a new root counts as trusted by every proxy (default 120; a local mesh 5)",
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
    "lateen discovery --context my-cluster",
  ],
  async run(ctx, call) {
    const level = logLevels.find(each => each === stringFlag(call, "log-level")) ?? "info";
    const log = openLog(level, stringFlag(call, "log-format") === "json" ? "json" : "text", line =>
      ctx.stderr.write(line),
    );
    const lifetime = numberFlag(call, "certificate-lifetime");
    const spread = numberFlag(call, "root-spread");
    // Loaded only here: most commands are over before this would be read.
    const { startDiscovery } = await import("./discovery.ts");
    const source = await sourceOf(call);
    const drainMs = 1000 * (numberFlag(call, "shutdown-duration") ?? drainSeconds(source, call));
    const impatient = Promise.withResolvers<void>();
    const interruption = untilSignal(impatient.resolve);
    let started = false;
    // As a container's first process it gets no signal that it does not ask for.
    void interruption.signal.then(() => {
      if (!started) process.exit(1);
    });
    const running = await startDiscovery({
      source,
      mesh: await meshConfig(ctx, call),
      ...listenAt(call, source.kind === "kube", isInPod(call)),
      webhooks: endpoints(stringFlag(call, "https-addr"))[0],
      controlz: controlzAt(call, source.kind === "kube", log),
      stateDir: stringFlag(call, "state-dir"),
      instance: stringFlag(call, "instance") ?? process.env["POD_NAME"] ?? `istiod-${hostname()}`,
      version: ctx.version,
      certificateLifetimeMs: lifetime === undefined ? undefined : lifetime * 1000,
      rootSpreadMs: spread === undefined ? undefined : spread * 1000,
      rootRenewal: rootRenewalFrom(process.env),
      customHosts: customHostsFrom(process.env),
      clusterId: process.env["CLUSTER_ID"] || undefined,
      clock: systemClock,
      random: Math.random,
      log,
    }).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      ctx.stderr.write(`the control plane can not start: ${why}\n`);
      ctx.stderr.write(addressHint(error, source.kind === "kube"));
      // What has begun already, watches and listeners, would keep alive a process that serves nothing.
      process.exit(1);
    });
    ctx.stdout.write(`xDS (plaintext): ${running.plaintextPort ?? "none"}\n`);
    ctx.stdout.write(`xDS (TLS): ${running.tlsPorts.join(", ") || "none"}\n`);
    ctx.stdout.write(`HTTP: ${running.httpPorts.join(", ") || "none"}\n`);
    started = true;
    await interruption.signal;
    if (drainMs > 0) await Promise.race([running.drain(drainMs), impatient.promise]);
    await running.stop();
    return 0;
  },
};

function openLog(level: LogLevel, format: "json" | "text", write: (line: string) => void) {
  return createLog({ format, level, clock: systemClock, write });
}

const NOT_WITH_FILES = ["tls-addr", "token-file", "ca-file", "certificate-lifetime", "root-spread"];

async function sourceOf(call: Invocation): Promise<DiscoverySource> {
  const directory = stringFlag(call, "files");
  const server = stringFlag(call, "api-server");
  const kubeconfig = stringFlag(call, "kubeconfig") ?? stringFlag(call, "context");
  const sources = [directory, server, kubeconfig].filter(each => each !== undefined);
  if (sources.length > 1) {
    throw new UserError("--files, --api-server and --kubeconfig exclude one another");
  }
  const given = NOT_WITH_FILES.find(name => call.flags[name] !== undefined);
  if (directory !== undefined && given !== undefined) {
    throw new UserError(
      `--${given} does nothing with --files: a folder has no CA, so there are no certificates`,
      "leave it out, or take the configuration from a cluster or --api-server URL",
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
  if (kubeconfig !== undefined || process.env["KUBERNETES_SERVICE_HOST"] !== undefined) {
    const { openCluster } = await import("./open-cluster.ts");
    return openCluster({
      kubeconfig: stringFlag(call, "kubeconfig"),
      context: stringFlag(call, "context"),
      systemNamespace: stringFlag(call, "system-namespace"),
      revision: stringFlag(call, "revision") ?? "default",
    });
  }
  throw new UserError(
    "where does the configuration come from?",
    "give --files DIR or --kubeconfig FILE, or run it in a pod of the cluster",
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

/** A local mesh, another control plane or an Istio on this machine has Istio's ports. */
function addressHint(error: unknown, tls: boolean): string {
  if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) {
    return "where it listens: --grpc-addr, --tls-addr, --http-addr\n";
  }
  const ports = ["--grpc-addr", ...(tls ? ["--tls-addr"] : []), "--http-addr"];
  const flags = ports.map(flag => `${flag} 127.0.0.1:0`).join(" ");
  return (
    "something else listens there, as a mesh of `lateen up` does; beside it, take free ports, " +
    `which are printed:\n    ${flags}\n`
  );
}

/** Reached by its service account, and not by a kubeconfig of somebody's. */
function isInPod(call: Invocation): boolean {
  return ["kubeconfig", "context"].every(name => stringFlag(call, name) === undefined);
}

/** Istio's `--shutdownDuration`; outside of a pod nobody waits for another replica. */
function drainSeconds(source: DiscoverySource, call: Invocation): number {
  return source.kind === "kube" && isInPod(call) ? 10 : 0;
}

/** Istio's ports; a control plane in a cluster is there for all of it, others for their machine. */
function listenAt(
  call: Invocation,
  forCluster: boolean,
  inPod: boolean,
): Pick<DiscoveryOptions, "plaintext" | "tls" | "http"> {
  const host = forCluster && inPod ? anyAddress() : "127.0.0.1";
  const plaintext = call.flags["grpc-addr"];
  const tls = listFlag(call, "tls-addr").flatMap(endpoints);
  const http = listFlag(call, "http-addr").flatMap(endpoints);
  const both = [8080, 15014].map(port => ({ host, port }));
  return {
    plaintext:
      typeof plaintext === "string" ? endpoints(plaintext)[0] : { host, port: PLAINTEXT_PORT },
    tls: tls.length === 0 && forCluster ? [{ host, port: TLS_PORT }] : tls,
    http: http.length === 0 ? both : http,
  };
}

/** Whoever reaches it changes what is logged: a pod's loopback is the pod's, a machine's everybody's on it. */
function controlzAt(
  call: Invocation,
  forCluster: boolean,
  log: RootLog,
): DiscoveryOptions["controlz"] {
  const given = call.flags["ctrlz-addr"];
  const usual = forCluster && isInPod(call) ? `127.0.0.1:${CONTROLZ_PORT}` : "";
  const [at] = endpoints(typeof given === "string" ? given : usual);
  return at === undefined ? undefined : { at, log };
}

const CONTROLZ_PORT = 9876;
const PLAINTEXT_PORT = 15010;
const TLS_PORT = 15012;

/** Of both families, where the machine has IPv6. */
function anyAddress(): string {
  return existsSync("/proc/net/if_inet6") ? "::" : "0.0.0.0";
}

/** `host:port`, `[v6]:port`, `:port` on all addresses, `port` on loopback; nothing for an empty text. */
function endpoints(text: string | undefined): Endpoint[] {
  if (text === undefined || text === "") return [];
  const match = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new UserError(`"${text}" is not an address; expected host:port`);
  }
  const host = match[1] ?? match[2] ?? "127.0.0.1";
  return [{ host: host === "" ? anyAddress() : host, port }];
}
