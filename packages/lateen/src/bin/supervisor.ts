/** What `lateen up` holds: store, network, control plane, runtime; started in order, ended in reverse. */
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import { DEFAULT_DOMAIN } from "../api/mesh-config/decode.ts";
import { allKinds } from "../api/registry.ts";
import { issueToken, TOKEN_LIFETIME_MS } from "../authn/token.ts";
import { loadOrCreateTokenKey, type TokenKey } from "../authn/token-key.ts";
import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import type { Authority } from "../ca/authority.ts";
import type { KeyedCertificate } from "../ca/certificate.ts";
import { loadOrCreateRoot } from "../ca/root.ts";
import { createServerCertificate } from "../ca/server-cert.ts";
import { UserError } from "../cli/command.ts";
import { findEnvoy } from "../local/envoy-binary.ts";
import { type LocalNetwork, openLocalNetwork } from "../local/open-network.ts";
import { startTimeOf } from "../local/proc.ts";
import { INSTANCE_VARIABLE } from "../local/process-record.ts";
import { type Runtime, startRuntime } from "../local/runtime.ts";
import { ensureSystemPackages, missingPackages } from "../local/system-packages.ts";
import { systemClock } from "../net/clock.ts";
import type { HttpTls } from "../net/http-server.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { localTransport } from "../sources/client/local-transport.ts";
import { kubeApiHandler } from "../sources/kube-api/handler.ts";
import { kubeconfig } from "../sources/kube-api/kubeconfig.ts";
import { serveKubeApi } from "../sources/kube-api/server.ts";
import { openStore, type Store } from "../sources/store/store.ts";
import { ControlPlaneProcess } from "./control-plane-process.ts";
import { freePort } from "./free-port.ts";
import { injection } from "./injection.ts";
import { localAdmission } from "./local-admission.ts";
import { ensureMeshConfig, type MeshConfigFile } from "./local-mesh-config.ts";
import { meshConfigAdmission } from "./mesh-config-admission.ts";
import { defaultMesh, SYSTEM_NAMESPACE, startingMesh } from "./mesh-config-input.ts";
import {
  createMeshHome,
  type MeshHome,
  removeState,
  runningState,
  writePrivate,
  writeState,
} from "./mesh-home.ts";
import { secretPort } from "./secret-port.ts";
import { waitForGateway } from "./wait-for-gateway.ts";

export interface SupervisorOptions {
  readonly home: MeshHome;
  readonly version: string;
  readonly envoy: string | undefined;
  readonly apiPort: number;
  readonly installPackages: boolean;
  readonly certificateLifetimeSeconds: number | undefined;
  /** undefined: what the store has, at first Istio's defaults with an access log. */
  readonly meshConfig?: MeshConfigFile | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A line for the person who waits. */
  readonly progress: (line: string) => void;
  /** Aborted when the person has had enough. */
  readonly interrupted: AbortSignal;
  readonly log: Log;
}

export interface RunningMesh {
  stop(): Promise<void>;
}

const PORTS = { plaintext: 15010, tls: 15012, debug: 8080, monitoring: 15014 } as const;
/** Whichever the kernel gives. */
const ANY_PORTS = { plaintext: 0, debug: 0, monitoring: 0 };
const START_ATTEMPTS = 4;
const SERVER_NAME = "istiod.istio-system.svc";

/** Things to undo, last one first, whatever happens on the way. */
class Undo {
  readonly #steps: (() => Promise<void> | void)[] = [];
  push(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }
  async run(log: Log): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        log.error("cleaning up", { error: error instanceof Error ? error.message : String(error) });
      }
    }
  }
}

/** undefined: interrupted, and everything is cleaned up. Throws UserError with what to do. */
export async function startMesh(options: SupervisorOptions): Promise<RunningMesh | undefined> {
  const undo = new Undo();
  const stop = () => undo.run(options.log);
  try {
    await start(options, undo);
    return { stop };
  } catch (error) {
    await stop();
    if (options.interrupted.aborted) return undefined;
    throw error;
  }
}

/** Each step is finished before an interruption counts: only then is it known what to undo. */
async function start(options: SupervisorOptions, undo: Undo): Promise<void> {
  const { home, log, progress, interrupted } = options;
  refuseWhereImpossible();
  refuseSecond(home);
  await prepareSystem(options);
  interrupted.throwIfAborted();
  const envoy = must(await findEnvoy({ path: options.envoy, env: options.env, log }));
  interrupted.throwIfAborted();
  progress(`envoy ${envoy.version}: ${envoy.path}`);
  createMeshHome(home);
  const network = must(await openLocalNetwork(home.runtimeDir, log));
  undo.push(() => network.close());
  interrupted.throwIfAborted();
  const store = await openApi(options, undo, network);
  interrupted.throwIfAborted();
  progress(`store: ${store.url} (kubectl --kubeconfig ${home.kubeconfigFile})`);
  const debug = await startControlPlane(options, undo, store, network);
  progress(`control plane: ${debug.url} (metrics: ${debug.metrics}, log: ${home.logFile})`);
  const runtime = await runPods(options, store, network, envoy.path);
  undo.push(() => runtime.stop());
  const ingress = await waitForGateway(store.client, interrupted);
  writeState(home, {
    supervisor: { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" },
    api: { url: store.url, token: store.token, ca: store.ca },
    debugUrl: debug.url,
    ingress,
    startedAt: new Date().toISOString(),
  });
  undo.push(() => removeState(home));
  progress(`ingress gateway: http://${ingress}`);
  progress(`mesh is ready; Ctrl-C ends it`);
}

/** Throws UserError where no local mesh can be. */
export function refuseWhereImpossible(): void {
  if (process.platform !== "linux") throw new UserError("a local mesh needs Linux");
  if (process.getuid?.() !== 0) {
    throw new UserError(
      "a local mesh needs root: its pods are network namespaces",
      "run it as root, or with sudo",
    );
  }
}

function refuseSecond(home: MeshHome): void {
  const other = runningState(home);
  if (other === undefined) return;
  throw new UserError(
    `mesh "${home.name}" is running already, as process ${other.supervisor.pid}`,
    "use it, end it with 'lateen down', or start another one with --mesh NAME",
  );
}

async function prepareSystem(options: SupervisorOptions): Promise<void> {
  const missing = missingPackages();
  if (missing.packages.length === 0) return;
  const names = missing.packages.join(" ");
  if (!options.installPackages) {
    throw new UserError(
      `${missing.programs.join(", ")}: not installed`,
      `install them: apt-get install ${names}`,
    );
  }
  options.progress(`installing system packages: ${names}`);
  must(await ensureSystemPackages(options.log));
}

interface OpenApi {
  readonly client: ApiClient;
  readonly trust: Trust;
  readonly url: string;
  readonly token: string;
  readonly tokenFile: string;
  readonly ca: string;
  readonly caFile: string;
}

async function openApi(
  options: SupervisorOptions,
  undo: Undo,
  network: LocalNetwork,
): Promise<OpenApi> {
  const { home, log, version } = options;
  const store = openLocalStore(options, network);
  undo.push(() => store.close());
  const token = randomBytes(32).toString("base64url");
  const api = { store, clock: systemClock, version, token };
  const client = new ApiClient(localTransport(kubeApiHandler(api), token));
  await ensureMeshConfig(client, options.meshConfig, text => options.progress(`Warning: ${text}`));
  const { trustDomain } = await startingMesh(client, defaultMesh(), undefined);
  const trust = await openTrust(client, trustDomain);
  const certificate = createServerCertificate({
    authority: trust.authority,
    clock: systemClock,
    log: log.scope("ca"),
    namespace: SYSTEM_NAMESPACE,
    names: { ipAddresses: ["127.0.0.1"] },
  });
  undo.push(() => certificate.dispose());
  const listener = await serveKubeApi({
    ...api,
    log: log.scope("api"),
    host: "127.0.0.1",
    port: options.apiPort,
    tls: httpTls(certificate.current()),
  }).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(
      `the store can not listen on port ${options.apiPort}: ${error.code ?? error.message}`,
      "choose another --api-port, or leave it out: any free one is taken then",
    );
  });
  undo.push(() => listener.close(500));
  certificate.onRenewed(current => listener.setTls(httpTls(current)));
  const url = `https://127.0.0.1:${listener.port}`;
  const ca = trust.authority.roots.join("\n");
  const tokenFile = join(home.dir, "api-token");
  const caFile = join(home.dir, "api-ca.pem");
  writePrivate(tokenFile, token);
  writePrivate(caFile, ca);
  const name = `lateen-${home.name}`;
  const config = kubeconfig({
    server: url,
    name,
    token,
    certificateAuthority: ca,
    namespace: "default",
  });
  writePrivate(home.kubeconfigFile, config);
  return { client, trust, url, token, tokenFile, ca, caFile };
}

function httpTls(certificate: KeyedCertificate): HttpTls {
  return { cert: certificate.certificatePem, key: certificate.privateKeyPem };
}

function openLocalStore(options: SupervisorOptions, network: LocalNetwork): Store {
  return must(
    openStore({
      path: options.home.storeFile,
      kinds: allKinds,
      clock: systemClock,
      ids: { uid: () => randomUUID(), suffix: randomSuffix },
      log: options.log.scope("store"),
      namespaces: ["default", SYSTEM_NAMESPACE, "kube-system"],
      admission: [
        localAdmission(systemClock),
        injection({
          version: options.version,
          discoveryHost: network.hostAddress,
          discoveryPort: PORTS.tls,
          serverName: SERVER_NAME,
        }),
        meshConfigAdmission,
      ],
    }),
  );
}

/** As Kubernetes: no vowels and no digits that look like letters, so that no words come out. */
const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

function randomSuffix(): string {
  return Array.from({ length: 5 }, () => SUFFIX_LETTERS[randomInt(SUFFIX_LETTERS.length)]).join("");
}

interface Trust {
  readonly authority: Authority;
  readonly tokenKey: TokenKey;
}

async function openTrust(client: ApiClient, trustDomain: string): Promise<Trust> {
  const port = secretPort(client, SYSTEM_NAMESPACE);
  const authority = must(await loadOrCreateRoot(port, { trustDomain, now: systemClock.now() }));
  return { authority, tokenKey: must(await loadOrCreateTokenKey(port)) };
}

interface ControlPlaneUrls {
  readonly url: string;
  readonly metrics: string;
}

/**
 * Resolves to the URLs of its HTTP interfaces when the control plane has read the configuration.
 * Where it can not have Istio's ports, because another mesh starts at the same time, it gets others.
 */
async function startControlPlane(
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
    tls: [`${network.hostAddress}:${PORTS.tls}`],
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
  const end = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < end) {
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

function runPods(
  options: SupervisorOptions,
  api: OpenApi,
  network: LocalNetwork,
  envoy: string,
): Promise<Runtime> {
  const { tokenKey } = api.trust;
  return startRuntime({
    client: api.client,
    // What ends the network ends every process of the mesh: the control plane has to be down first.
    network: { ...network, close: async () => {} },
    stateDir: options.home.runtimeDir,
    envoy,
    discoveryServerName: SERVER_NAME,
    domain: DEFAULT_DOMAIN,
    rootCert: { current: () => api.ca, onChange: () => () => {} },
    issueToken: async request => {
      const now = systemClock.now();
      const lifetimeMs = Math.min(request.expirationSeconds * 1000, TOKEN_LIFETIME_MS);
      const token = issueToken(request, tokenKey, now, lifetimeMs);
      return { token, expiresAt: now + lifetimeMs };
    },
    log: options.log,
    clock: systemClock,
    home: join(import.meta.dirname, "../../../.."),
    workingDir: process.cwd(),
    path: options.env["PATH"] ?? "",
    services: [controlPlaneService(network)],
    gateways: ["ingress", "egress"],
  });
}

/** Istio's Service of the control plane, leading to the host. */
function controlPlaneService(network: LocalNetwork) {
  const port = (name: string, number: number) => ({
    name,
    port: number,
    targetPort: number,
    protocol: "TCP" as const,
  });
  return {
    namespace: SYSTEM_NAMESPACE,
    name: "istiod",
    labels: { app: "istiod", istio: "pilot" },
    address: network.hostAddress,
    clusterIp: undefined,
    ports: [port("https-dns", PORTS.tls)],
  };
}

function must<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new UserError(result.diagnostics.map(each => each.message).join("\n"));
}
