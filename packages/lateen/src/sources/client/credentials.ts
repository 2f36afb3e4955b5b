/** A `ClusterAccess` as the options of a transport: tokens from files and from credential plugins. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Json } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import { isObject, objectAt, stringAt } from "../json.ts";
import type { HttpTransportOptions } from "./http-transport.ts";
import type { ClusterAccess, ExecCredentialSource } from "./kubeconfig.ts";

/** A projected token is replaced long before it expires; client-go reads its file once a minute. */
const TOKEN_FILE_MS = 60_000;
/** A plugin is asked again this long before what it gave expires. */
const EXEC_MARGIN_MS = 60_000;
const EXEC_TIMEOUT_MS = 60_000;
const EXEC_OUTPUT_MAX = 1024 * 1024;

/** Runs a plugin's command; gives what it printed. Throws where it fails. */
export type RunPlugin = (
  source: ExecCredentialSource,
  environment: Readonly<Record<string, string>>,
) => string;

export interface CredentialOptions {
  readonly clock: Clock;
  /** Of this process; plugins get it with their own on top. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly run?: RunPlugin;
}

/** Throws, with a reason for a person, when a credential plugin gives no credential. */
export function transportOptions(
  access: ClusterAccess,
  options: CredentialOptions,
): HttpTransportOptions {
  const { server, ca, serverName, insecureSkipTlsVerify } = access;
  const plugin = access.exec && new ExecCredential(access.exec, access, options);
  const certificate = access.clientCertificate ?? plugin?.current().certificate;
  const key = access.clientKey ?? plugin?.current().key;
  return {
    server,
    token: tokenOf(access, plugin, options.clock),
    ...(ca === undefined ? {} : { ca }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}),
    ...(certificate === undefined ? {} : { clientCertificate: certificate }),
    ...(key === undefined ? {} : { clientKey: key }),
  };
}

function tokenOf(
  access: ClusterAccess,
  plugin: ExecCredential | undefined,
  clock: Clock,
): () => string {
  const { token, tokenFile } = access;
  if (tokenFile !== undefined) return tokenFromFile(tokenFile, clock);
  if (token !== undefined) return () => token;
  return () => plugin?.current().token ?? "";
}

/** The last good one stands while the file can not be read. */
export function tokenFromFile(path: string, clock: Clock): () => string {
  let token = readFileSync(path, "utf8").trim();
  let readAt = clock.monotonic();
  return () => {
    if (clock.monotonic() - readAt < TOKEN_FILE_MS) return token;
    readAt = clock.monotonic();
    try {
      token = readFileSync(path, "utf8").trim() || token;
    } catch {
      return token;
    }
    return token;
  };
}

interface Credential {
  readonly token: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly expiresAt: number;
}

/** client.authentication.k8s.io ExecCredential. Waits for the command: it is rare, and short. */
class ExecCredential {
  readonly #source: ExecCredentialSource;
  readonly #access: ClusterAccess;
  readonly #options: CredentialOptions;
  #last: Credential | undefined;

  constructor(source: ExecCredentialSource, access: ClusterAccess, options: CredentialOptions) {
    this.#source = source;
    this.#access = access;
    this.#options = options;
  }

  current(): Credential {
    const last = this.#last;
    if (last !== undefined && this.#options.clock.now() < last.expiresAt - EXEC_MARGIN_MS)
      return last;
    try {
      this.#last = this.#ask();
    } catch (error) {
      // The server says what is wrong with the old one; a request has nowhere to throw to.
      if (last === undefined) throw error;
      return last;
    }
    return this.#last;
  }

  #ask(): Credential {
    const { command, apiVersion, installHint } = this.#source;
    const { run = runPlugin, environment } = this.#options;
    let output: string;
    try {
      const info = { apiVersion, kind: "ExecCredential", spec: this.#spec() };
      const known = Object.entries(environment).filter(entry => entry[1] !== undefined);
      output = run(this.#source, {
        ...Object.fromEntries(known.map(([name, value]) => [name, value ?? ""])),
        ...this.#source.env,
        KUBERNETES_EXEC_INFO: JSON.stringify(info),
      });
    } catch (error) {
      const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      throw new Error(
        [`credential plugin ${command}: ${why}`, installHint].filter(Boolean).join("; "),
      );
    }
    return credentialOf(command, output);
  }

  #spec(): Json {
    if (!this.#source.provideClusterInfo) return { interactive: false };
    const { server, ca, serverName, insecureSkipTlsVerify } = this.#access;
    const cluster = {
      server,
      ...(ca === undefined
        ? {}
        : { "certificate-authority-data": Buffer.from(ca).toString("base64") }),
      ...(serverName === undefined ? {} : { "tls-server-name": serverName }),
      ...(insecureSkipTlsVerify ? { "insecure-skip-tls-verify": true } : {}),
    };
    return { interactive: false, cluster };
  }
}

function runPlugin(
  source: ExecCredentialSource,
  environment: Readonly<Record<string, string>>,
): string {
  return execFileSync(source.command, [...source.args], {
    env: { ...environment },
    encoding: "utf8",
    timeout: EXEC_TIMEOUT_MS,
    maxBuffer: EXEC_OUTPUT_MAX,
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Never quotes the output: it holds the credential. */
function credentialOf(command: string, output: string): Credential {
  let json: Json;
  try {
    json = JSON.parse(output);
  } catch {
    throw new Error(`credential plugin ${command}: its output is no JSON`);
  }
  const status = isObject(json) ? objectAt(json, "status") : {};
  const token = stringAt(status, "token") || undefined;
  const certificate = stringAt(status, "clientCertificateData") || undefined;
  const key = stringAt(status, "clientKeyData") || undefined;
  if (token === undefined && (certificate === undefined || key === undefined))
    throw new Error(`credential plugin ${command}: it gave neither a token nor a certificate`);
  const expires = Date.parse(stringAt(status, "expirationTimestamp"));
  const expiresAt = Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires;
  return { token, certificate, key, expiresAt };
}
