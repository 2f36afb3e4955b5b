/** Brings the control plane of a local mesh up, on Istio's ports or on others. */

import { UserError } from "../cli/command.ts";
import type { LocalNetwork } from "../local/open-network.ts";
import { INSTANCE_VARIABLE } from "../local/process-record.ts";
import { ControlPlaneProcess } from "./control-plane-process.ts";
import { freePort } from "./free-port.ts";
import type { OpenApi } from "./mesh-api.ts";
import { type SupervisorOptions, TLS_PORT } from "./supervisor-options.ts";
import type { Undo } from "./undo.ts";

const PORTS = { plaintext: 15010, debug: 8080, monitoring: 15014 } as const;
/** Whichever the kernel gives. */
const ANY_PORTS = { plaintext: 0, debug: 0, monitoring: 0 };
const START_ATTEMPTS = 4;

interface ControlPlaneUrls {
  readonly url: string;
  readonly metrics: string;
}

/**
 * Resolves to the URLs of its HTTP interfaces when the control plane has read the configuration.
 * Where it can not have Istio's ports, because another mesh starts at the same time, it gets others.
 */
export async function startControlPlane(
  options: SupervisorOptions,
  undo: Undo,
  api: OpenApi,
  network: LocalNetwork,
): Promise<ControlPlaneUrls> {
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    const wanted = attempt === 0 ? PORTS : ANY_PORTS;
    const ports = {
      plaintext: await freePort(wanted.plaintext),
      debug: await freePort(wanted.debug),
      monitoring: await freePort(wanted.monitoring),
    };
    const controlPlane = controlPlaneProcess(options, api, network, ports);
    controlPlane.start();
    const url = `http://127.0.0.1:${ports.debug}`;
    const up = await untilReady(url, options, controlPlane).catch(async (error: unknown) => {
      await controlPlane.stop();
      throw error;
    });
    if (up) {
      undo.push(() => controlPlane.stop());
      return { url, metrics: `http://127.0.0.1:${ports.monitoring}/metrics` };
    }
    await controlPlane.stop();
  }
  throw new UserError("the control plane does not start", `its log is ${options.home.logFile}`);
}

function controlPlaneProcess(
  options: SupervisorOptions,
  api: OpenApi,
  network: LocalNetwork,
  ports: typeof ANY_PORTS,
): ControlPlaneProcess {
  return new ControlPlaneProcess({
    apiUrl: api.url,
    tokenFile: api.tokenFile,
    caFile: api.caFile,
    plaintext: `127.0.0.1:${ports.plaintext}`,
    tls: [`${network.hostAddress}:${TLS_PORT}`],
    http: [`127.0.0.1:${ports.debug}`, `127.0.0.1:${ports.monitoring}`],
    stateDir: options.home.dir,
    logFile: options.home.logFile,
    instance: instanceName(options),
    certificateLifetimeSeconds: options.certificateLifetimeSeconds,
    env: { ...options.env, [INSTANCE_VARIABLE]: network.record.instance },
    log: options.log.scope("supervisor"),
  });
}

function instanceName({ home }: SupervisorOptions): string {
  return `istiod-${home.name}`;
}

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

/** False when the process ended before it was ready. */
async function untilReady(
  url: string,
  options: SupervisorOptions,
  controlPlane: ControlPlaneProcess,
): Promise<boolean> {
  const end = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < end) {
    options.interrupted.throwIfAborted();
    if (controlPlane.ends > 0) return false;
    if (await isReady(url, instanceName(options))) return true;
    await new Promise(done => setTimeout(done, POLL_MS));
  }
  const { logFile } = options.home;
  throw new UserError("the control plane is not ready in time", `its log is ${logFile}`);
}

/** Ready, and ours: another mesh's control plane may have taken the port. */
async function isReady(url: string, instance: string): Promise<boolean> {
  try {
    const version = (await (await fetch(`${url}/version`)).json()) as { instance?: string };
    return version.instance === instance && (await fetch(`${url}/ready`)).ok;
  } catch {
    return false;
  }
}
