/** `lateen port-forward`, in kubectl's words. */
import { isIP } from "node:net";
import { type Command, type Invocation, listFlag, UserError } from "../command.ts";
import type { CliContext, Forward, MeshAccess, PodRef } from "../context.ts";
import { resolvePod } from "./resolve-pod.ts";

interface Ports {
  readonly localPort: number;
  readonly podPort: number;
}

export const portForwardCommand: Command = {
  name: "port-forward",
  summary: "Passes local ports on to a pod",
  description:
    "Listens on this machine and passes connections on to ports of one pod, until Ctrl-C. They reach\n" +
    "what listens on the pod's loopback, past its sidecar.",
  positionals: [
    { name: "pod|type/name", required: true, completes: "pod" },
    { name: "[local:]remote", required: true, rest: true },
  ],
  flags: [
    {
      name: "address",
      kind: "list",
      description: "Addresses to listen on (default: localhost)",
    },
  ],
  examples: [
    "lateen port-forward sleep-6c5f-x2x4z 15000",
    "lateen port-forward deploy/demoappv10 8080 9090:15090",
    "lateen port-forward svc/demoappv10 :8080",
  ],
  run: runPortForward,
};

async function runPortForward(ctx: CliContext, call: Invocation): Promise<number> {
  const [target = "", ...specs] = call.args;
  const addresses = listFlag(call, "address");
  const groups = (addresses.length === 0 ? ["localhost"] : addresses).map(hostsOf);
  const wanted = specs.map(parsePorts);
  const mesh = await ctx.mesh();
  const pod = await resolvePod(ctx, mesh, target);
  const known = await knownPorts(mesh, pod, target);
  const ports = wanted.map(({ local, remote }) => toPorts(known, local, remote));
  const ended = new Ending();
  const closes: (() => void)[] = [];
  for (const port of ports) closes.push(...(await listen(ctx, mesh, pod, groups, port, ended)));
  if (closes.length === 0) {
    throw new UserError(
      "unable to listen on any of the requested ports",
      `choose another local port: lateen port-forward ${target} LOCAL:REMOTE, or :REMOTE for any`,
    );
  }
  await Promise.race([ctx.interrupted(), ended.lost]);
  for (const close of closes) close();
  if (ended.isLost) throw new UserError("lost connection to pod", `pod ${pod.name} has gone`);
  return 0;
}

class Ending {
  readonly lost: Promise<void>;
  isLost = false;
  readonly #tell: () => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.lost = promise;
    this.#tell = resolve;
  }

  lose(): void {
    this.isLost = true;
    this.#tell();
  }
}

/** Listens for one port on each address; `localhost` is content with one of its two. */
async function listen(
  ctx: CliContext,
  mesh: MeshAccess,
  pod: PodRef,
  groups: readonly (readonly string[])[],
  ports: Ports,
  ended: Ending,
): Promise<(() => void)[]> {
  const closes: (() => void)[] = [];
  let localPort = ports.localPort;
  const wrong: string[] = [];
  for (const hosts of groups) {
    const before = closes.length;
    const refused: string[] = [];
    for (const address of hosts) {
      const told = { localPort };
      const options = { ...ports, localPort, address, ...tell(ctx, pod, ports, told, ended) };
      const answer = await mesh.forward(pod, options);
      if ("problem" in answer) {
        refused.push(`${address}: ${answer.problem}`);
        continue;
      }
      localPort = answer.localPort;
      told.localPort = localPort;
      closes.push(answer.close);
      const shown = isIP(address) === 6 ? `[${address}]` : address;
      ctx.stdout.write(`Forwarding from ${shown}:${localPort} -> ${ports.podPort}\n`);
    }
    if (closes.length === before) wrong.push(...refused);
  }
  if (wrong.length > 0)
    ctx.stderr.write(`Unable to listen on port ${localPort}: ${wrong.join("; ")}\n`);
  return closes;
}

/** @param shown the local port, which may be known only when it listens */
function tell(
  ctx: CliContext,
  pod: PodRef,
  { podPort }: Ports,
  shown: { readonly localPort: number },
  ended: Ending,
): Pick<Forward, "onConnection" | "onRefused" | "onLost"> {
  return {
    onConnection: () => ctx.stdout.write(`Handling connection for ${shown.localPort}\n`),
    onRefused: () =>
      ctx.stderr.write(
        `an error occurred forwarding ${shown.localPort} -> ${podPort}: connection refused: ` +
          `nothing listens on port ${podPort} of the loopback of pod ${pod.name}\n`,
      ),
    onLost: () => ended.lose(),
  };
}

function hostsOf(address: string): readonly string[] {
  if (address === "localhost") return ["127.0.0.1", "::1"];
  if (isIP(address) === 0) {
    throw new UserError(`--address: "${address}" is neither an IP address nor localhost`);
  }
  return [address];
}

/** `8080`, `8080:80`, `:80`; the remote one may be a name. */
function parsePorts(text: string): { readonly local: number | undefined; readonly remote: string } {
  const colon = text.indexOf(":");
  const remote = text.slice(colon + 1);
  if (remote === "" || remote.includes(":") || (/^\d+$/.test(remote) && !isPort(remote))) {
    throw new UserError(`"${text}" is no port: found no number of 1 to 65535`, "[LOCAL:]REMOTE");
  }
  if (colon <= 0) return { local: colon === 0 ? 0 : undefined, remote };
  const local = text.slice(0, colon);
  if (!isPort(local) && local !== "0") {
    throw new UserError(`"${text}": the local port is a number of 1 to 65535`, "[LOCAL:]REMOTE");
  }
  return { local: Number(local), remote };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536;
}

interface KnownPort {
  readonly name: string | undefined;
  /** As the user says it. */
  readonly number: number;
  readonly podPort: number;
}

interface KnownPorts {
  readonly what: string;
  /** Ports of a Service stand for others; a pod's number means itself, declared or not. */
  readonly anyNumber: boolean;
  readonly ports: readonly KnownPort[];
}

function toPorts(known: KnownPorts, local: number | undefined, remote: string): Ports {
  const byNumber = isPort(remote);
  const found = known.ports.find(port =>
    byNumber ? port.number === Number(remote) : port.name === remote,
  );
  if (found !== undefined) return { localPort: local ?? found.number, podPort: found.podPort };
  if (byNumber && known.anyNumber) {
    return { localPort: local ?? Number(remote), podPort: Number(remote) };
  }
  const names = known.ports.map(port =>
    port.name === undefined ? String(port.number) : `${port.number} (${port.name})`,
  );
  throw new UserError(
    `${known.what} does not have a port ${remote}`,
    names.length === 0 ? undefined : `it has ${names.join(", ")}`,
  );
}

interface PodBody {
  readonly spec?: {
    readonly containers?: readonly {
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
    }[];
  };
}

interface ServiceBody {
  readonly spec?: {
    readonly clusterIP?: string;
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort?: number | string;
      readonly protocol?: string;
    }[];
  };
}

async function knownPorts(mesh: MeshAccess, pod: PodRef, target: string): Promise<KnownPorts> {
  const space = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}`;
  const read = async (kind: string, name: string): Promise<unknown> => {
    const path = `${space}/${kind}/${encodeURIComponent(name)}`;
    return (await mesh.api({ method: "GET", path })).body;
  };
  const { spec } = (await read("pods", pod.name)) as PodBody;
  const declared = (spec?.containers ?? [])
    .flatMap(container => container.ports ?? [])
    .map(({ name, containerPort }) => ({ name, number: containerPort, podPort: containerPort }));
  const service = /^(?:svc|services?)\/([^.]+)/.exec(target)?.[1];
  if (service === undefined) return { what: `pod ${pod.name}`, anyNumber: true, ports: declared };
  const { spec: of } = (await read("services", service)) as ServiceBody;
  const ports = (of?.ports ?? [])
    .filter(port => (port.protocol ?? "TCP") === "TCP")
    .flatMap(({ name, port: number, targetPort = number }) => {
      // A headless Service has no address of its own: its port is the pod's.
      const podPort =
        of?.clusterIP === "None"
          ? number
          : typeof targetPort === "number"
            ? targetPort
            : declared.find(port => port.name === targetPort)?.podPort;
      return podPort === undefined ? [] : [{ name, number, podPort }];
    });
  return { what: `service ${service}`, anyNumber: false, ports };
}
