/** Ports of a pod that its Envoy needs and another process has: nothing else tells of them. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { ProxyPort } from "../proxy/ports.ts";

/** What Envoy listens on by its bootstrap, whatever it is sent. */
const OWN_PORTS: readonly number[] = [
  ProxyPort.admin,
  ProxyPort.agent,
  ProxyPort.health,
  ProxyPort.prometheus,
];
/** Where connections are redirected to. */
const INTERCEPTING: readonly number[] = [ProxyPort.outbound, ProxyPort.inbound];

export function envoyPorts(intercepts: boolean): readonly number[] {
  return intercepts ? [...OWN_PORTS, ...INTERCEPTING] : OWN_PORTS;
}

/** A listening socket of a network namespace; see proc(5), /proc/net/tcp. */
interface Listening {
  readonly port: number;
  readonly inode: string;
}

const LISTEN = "0A";

/**
 * Those of `ports` that somebody listens on and the Envoy does not. `pid`: any process with the pod's
 * network; `envoy`: its process, undefined while it does not run.
 */
export function takenPorts(
  pid: number,
  envoy: number | undefined,
  ports: readonly number[],
): readonly number[] {
  const listening = ["tcp", "tcp6"].flatMap(table =>
    parseListening(read(`/proc/${pid}/net/${table}`)),
  );
  const own = envoy === undefined ? new Set<string>() : socketsOf(envoy);
  const held = new Set(listening.filter(each => own.has(each.inode)).map(({ port }) => port));
  const taken = listening.map(({ port }) => port).filter(port => !held.has(port));
  return ports.filter(port => taken.includes(port));
}

export function parseListening(table: string): readonly Listening[] {
  return table.split("\n").flatMap(line => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16);
    return state === LISTEN && Number.isInteger(port) ? [{ port, inode }] : [];
  });
}

/** What it says to the person whose application has them. */
export function takenPortsMessage(ports: readonly number[]): string {
  const [one] = ports;
  const which = ports.length === 1 ? `port ${one} is` : `ports ${ports.join(", ")} are`;
  return (
    `${which} Envoy's, and a process of this pod other than Envoy listens there: ` +
    "the proxy can not serve; let the application listen on another port"
  );
}

function socketsOf(pid: number): Set<string> {
  const found = new Set<string>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) found.add(inode);
    }
  } catch {
    // It ended in between.
  }
  return found;
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
