/** `lateen up`: a whole mesh on this machine, until Ctrl-C. */
import { readFileSync } from "node:fs";
import { booleanFlag, type Command, numberFlag, stringFlag, UserError } from "../cli/command.ts";
import { systemClock } from "../net/clock.ts";
import { createLog, logLevels } from "../net/log.ts";
import type { MeshConfigFile } from "./local-mesh-config.ts";
import { DEFAULT_MESH, meshHome } from "./mesh-home.ts";
import { goOnWithoutReader, untilSignal } from "./until-signal.ts";
import { refuseCluster } from "./which-mesh.ts";

/** As a shell reports a program that Ctrl-C has ended. */
const EXIT_INTERRUPTED = 130;
const END_ANYWAY_MS = 1_000;

export const upCommand: Command = {
  name: "up",
  summary: "Starts a mesh on this machine",
  description:
    "Starts a whole mesh on this machine, without Kubernetes: store, control plane, ingress and egress\n" +
    "gateway. Deployments applied to it run as processes in namespaces of their own, each with an Envoy.\n" +
    "It stays up until Ctrl-C or 'lateen down'. Needs Linux and root.",
  flags: [
    { name: "envoy", kind: "string", description: "Envoy to run (default: on PATH, else fetched)" },
    {
      name: "api-port",
      kind: "number",
      description: "Port of the store's Kubernetes API on loopback (default: any free one)",
    },
    {
      name: "install-packages",
      kind: "boolean",
      description: "Install missing system packages through apt",
      default: true,
    },
    {
      name: "mesh-config",
      kind: "string",
      description: "File with MeshConfig; replaces what ConfigMap istio in istio-system says",
    },
    {
      name: "certificate-lifetime",
      kind: "number",
      description: "Lifetime of workload certificates in seconds (default 24 h)",
    },
    {
      name: "log-level",
      kind: "string",
      description: "How much to log",
      default: "warn",
      values: logLevels,
    },
  ],
  examples: [
    "lateen up",
    "lateen up --mesh second",
    "lateen up --mesh-config mesh.yaml",
    "lateen up --envoy /usr/local/bin/envoy",
  ],
  async run(ctx, call) {
    refuseCluster(call.flags);
    const apiPort = numberFlag(call, "api-port") ?? 0;
    if (!Number.isInteger(apiPort) || apiPort < 0 || apiPort > 65535) {
      throw new UserError(`--api-port is ${apiPort}; it must be a port, 0 to 65535`);
    }
    const home = meshHome(ctx.home, ctx.meshName ?? DEFAULT_MESH);
    const level = logLevels.find(each => each === stringFlag(call, "log-level")) ?? "warn";
    const log = createLog({
      format: "text",
      level,
      clock: systemClock,
      write: line => ctx.stderr.write(line),
    });
    const meshConfig = meshConfigFile(stringFlag(call, "mesh-config"));
    // Listening for signals comes first: Ctrl-C during the start must clean up as well.
    goOnWithoutReader();
    const interruption = untilSignal(() => void hurry());
    const hurry = async (): Promise<void> => {
      const { endAtOnce } = await import("./end-at-once.ts");
      ctx.stdout.write(`${await endAtOnce(home)}\n`);
      process.exit(EXIT_INTERRUPTED);
    };
    // Loaded only here: most commands are over before this would be read.
    const { startMesh } = await import("./supervisor.ts");
    const mesh = await startMesh({
      home,
      version: ctx.version,
      envoy: stringFlag(call, "envoy"),
      apiPort,
      installPackages: booleanFlag(call, "install-packages"),
      certificateLifetimeSeconds: numberFlag(call, "certificate-lifetime"),
      meshConfig,
      env: process.env,
      progress: text => ctx.stdout.write(`${text}\n`),
      interrupted: interruption.aborted,
      log,
    }).catch((error: unknown) => {
      interruption.release();
      endAnyway();
      throw error;
    });
    if (mesh === undefined) {
      interruption.release();
      endAnyway();
      ctx.stdout.write(`mesh "${home.name}" was not started, and nothing of it is left\n`);
      return EXIT_INTERRUPTED;
    }
    await interruption.signal;
    ctx.stdout.write("ending the mesh ... (Ctrl-C again ends it at once)\n");
    await mesh.stop();
    ctx.stdout.write(`mesh "${home.name}" is down\n`);
    return 0;
  },
};

/** What did not come up has been taken away; a connection or a timer of it is no reason to stay. */
function endAnyway(): void {
  setTimeout(() => process.exit(), END_ANYWAY_MS).unref();
}

function meshConfigFile(path: string | undefined): MeshConfigFile | undefined {
  if (path === undefined) return undefined;
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch (error) {
    throw new UserError(`--mesh-config ${path}: ${error instanceof Error ? error.message : error}`);
  }
}
