/** The store of a local mesh, its certificates and its Kubernetes API on loopback. */
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import { allKinds } from "../api/registry.ts";
import { loadOrCreateTokenKey, type TokenKey } from "../authn/token-key.ts";
import type { Authority } from "../ca/authority.ts";
import type { KeyedCertificate } from "../ca/certificate.ts";
import { loadOrCreateRoot } from "../ca/root.ts";
import { createServerCertificate } from "../ca/server-cert.ts";
import { UserError } from "../cli/command.ts";
import type { LocalNetwork } from "../local/open-network.ts";
import { systemClock } from "../net/clock.ts";
import type { HttpTls } from "../net/http-server.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { localTransport } from "../sources/client/local-transport.ts";
import { kubeApiHandler } from "../sources/kube-api/handler.ts";
import { kubeconfig } from "../sources/kube-api/kubeconfig.ts";
import { serveKubeApi } from "../sources/kube-api/server.ts";
import { openStore, type Store } from "../sources/store/store.ts";
import { injection } from "./injection.ts";
import { localAdmission } from "./local-admission.ts";
import { ensureMeshConfig } from "./local-mesh-config.ts";
import { meshConfigAdmission } from "./mesh-config-admission.ts";
import { defaultMesh, SYSTEM_NAMESPACE, startingMesh } from "./mesh-config-input.ts";
import { DEFAULT_MESH, writePrivate } from "./mesh-home.ts";
import { localPodAccess } from "./pod-access.ts";
import { secretPort } from "./secret-port.ts";
import { must, SERVER_NAME, type SupervisorOptions, TLS_PORT } from "./supervisor-options.ts";
import type { Undo } from "./undo.ts";

export interface OpenApi {
  readonly client: ApiClient;
  readonly trust: Trust;
  readonly url: string;
  readonly token: string;
  readonly tokenFile: string;
  readonly ca: string;
  readonly caFile: string;
}

/** Throws UserError where the API can not listen. */
export async function openApi(
  options: SupervisorOptions,
  undo: Undo,
  network: LocalNetwork,
): Promise<OpenApi> {
  const { home, log, version } = options;
  const store = openLocalStore(options, network);
  undo.push(() => store.close());
  const token = randomBytes(32).toString("base64url");
  const pods = localPodAccess(home.runtimeDir, ownLine(home.name));
  const api = { store, clock: systemClock, version, token, pods };
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

function ownLine(mesh: string): string {
  return mesh === DEFAULT_MESH ? "lateen" : `lateen --mesh ${mesh}`;
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
          discoveryPort: TLS_PORT,
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
