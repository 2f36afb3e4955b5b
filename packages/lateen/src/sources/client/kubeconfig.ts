/**
 * How to reach a Kubernetes API server: a kubeconfig file (kubernetes.io, "Organizing Cluster Access
 * Using kubeconfig Files") or the service account of the pod we run in. Reads no environment: whoever
 * calls says where the files are.
 */
import { dirname, isAbsolute, join } from "node:path";
import type { JsonObject } from "../../api/kind.ts";
import type { Diagnostic, Result } from "../../base/diagnostic.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../json.ts";
import { yamlValueOf } from "../yaml.ts";

/** Runs a client-go credential plugin; see credentials.ts. */
export interface ExecCredentialSource {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly apiVersion: string;
  /** What to do where the command is missing. */
  readonly installHint: string;
  readonly provideClusterInfo: boolean;
}

/** Everything needed to speak to one API server; files are read already, but for tokens. */
export interface ClusterAccess {
  readonly server: string;
  /** PEM; undefined: what the system trusts. */
  readonly ca: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  /** Name to expect in the server's certificate, where it is not the address dialled. */
  readonly serverName: string | undefined;
  readonly clientCertificate: string | undefined;
  readonly clientKey: string | undefined;
  readonly token: string | undefined;
  /** Replaced while we run: to be read again and again. */
  readonly tokenFile: string | undefined;
  readonly exec: ExecCredentialSource | undefined;
  /** Namespace of the context, or of the pod. */
  readonly namespace: string;
  /** Name of the context; "" in a pod. */
  readonly context: string;
}

/** Throws where the file can not be read; the message names it. */
export type ReadFile = (path: string) => string;

export interface KubeconfigChoice {
  /** Files in the order of `KUBECONFIG`: of entries of one name the first one counts. */
  readonly files: readonly string[];
  /** undefined: the file's current-context. */
  readonly context?: string;
}

interface LoadedFile {
  readonly path: string;
  readonly json: JsonObject;
}

export function loadKubeconfig(
  choice: KubeconfigChoice,
  readFile: ReadFile,
): Result<ClusterAccess> {
  const loaded: LoadedFile[] = [];
  const absent: string[] = [];
  for (const path of choice.files) {
    const file = loadFile(path, readFile);
    if (file.ok) loaded.push(file.value);
    else if (isAbsent(path, readFile)) absent.push(path);
    else return file;
  }
  // As kubectl: of several files that KUBECONFIG names some may be missing.
  if (loaded.length > 0) return access(loaded, choice, readFile);
  return problem(absent.join(":"), "can not be read: there is no such file (kubeconfig)");
}

function isAbsent(path: string, readFile: ReadFile): boolean {
  try {
    readFile(path);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT";
  }
}

/** What the kubelet mounts into every pod that does not decline it. */
export const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** `host` and `port` are KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
export function inClusterAccess(
  host: string,
  port: string,
  readFile: ReadFile,
  directory: string = SERVICE_ACCOUNT_DIRECTORY,
): Result<ClusterAccess> {
  const address = host.includes(":") ? `[${host}]` : host;
  return guarded(directory, () => ({
    server: `https://${address}:${port}`,
    ca: readFile(join(directory, "ca.crt")),
    insecureSkipTlsVerify: false,
    serverName: undefined,
    clientCertificate: undefined,
    clientKey: undefined,
    token: undefined,
    tokenFile: join(directory, "token"),
    exec: undefined,
    namespace: readFile(join(directory, "namespace")).trim(),
    context: "",
  }));
}

/** Names of all contexts, for completion and messages. */
export function contextNames(files: readonly string[], readFile: ReadFile): readonly string[] {
  return files.flatMap(path => {
    const file = loadFile(path, readFile);
    return file.ok ? named(file.value, "contexts").map(([name]) => name) : [];
  });
}

function loadFile(path: string, readFile: ReadFile): Result<LoadedFile> {
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    return problem(path, `can not be read: ${reasonOf(error)}`);
  }
  const read = yamlValueOf(text);
  if ("problem" in read) return problem(path, `is not YAML: ${read.problem}`);
  const json = read.value ?? {};
  return isObject(json) ? good({ path, json }) : problem(path, "is not a mapping");
}

function access(
  files: readonly LoadedFile[],
  choice: KubeconfigChoice,
  readFile: ReadFile,
): Result<ClusterAccess> {
  const where = choice.files.join(":");
  const chosen = choice.context ?? firstText(files, "current-context");
  if (chosen === "") return problem(where, "has no current-context; choose one with --context");
  const context = find(files, "contexts", "context", chosen);
  if (context === undefined) {
    const known = files.flatMap(file => named(file, "contexts").map(([name]) => name));
    return problem(where, `has no context "${chosen}"; contexts: ${known.join(", ") || "none"}`);
  }
  const clusterName = stringAt(context.json, "cluster");
  const cluster = find(files, "clusters", "cluster", clusterName);
  if (cluster === undefined) {
    return problem(where, `context "${chosen}" names cluster "${clusterName}", which is not there`);
  }
  const userName = stringAt(context.json, "user");
  const user = find(files, "users", "user", userName) ?? { path: where, json: {} };
  const server = stringAt(cluster.json, "server");
  if (!URL.canParse(server)) return problem(where, `server of cluster "${clusterName}" is no URL`);
  const proxy = stringAt(cluster.json, "proxy-url");
  if (proxy !== "") return problem(where, `proxy-url of cluster "${clusterName}" is not supported`);
  return guarded(where, () => ({
    server,
    ...trustOf(cluster, readFile),
    ...credentialsOf(user, readFile),
    namespace: stringAt(context.json, "namespace") || "default",
    context: chosen,
  }));
}

function trustOf(
  cluster: LoadedFile,
  readFile: ReadFile,
): Pick<ClusterAccess, "ca" | "insecureSkipTlsVerify" | "serverName"> {
  return {
    ca: inlineOrFile(cluster, "certificate-authority", readFile),
    insecureSkipTlsVerify: cluster.json["insecure-skip-tls-verify"] === true,
    serverName: stringAt(cluster.json, "tls-server-name") || undefined,
  };
}

function credentialsOf(
  user: LoadedFile,
  readFile: ReadFile,
): Pick<ClusterAccess, "clientCertificate" | "clientKey" | "token" | "tokenFile" | "exec"> {
  const tokenFile = stringAt(user.json, "tokenFile");
  return {
    clientCertificate: inlineOrFile(user, "client-certificate", readFile),
    clientKey: inlineOrFile(user, "client-key", readFile),
    token: stringAt(user.json, "token") || undefined,
    tokenFile: tokenFile === "" ? undefined : beside(user.path, tokenFile),
    exec: isObject(user.json["exec"]) ? execOf(user.json["exec"]) : undefined,
  };
}

function execOf(json: JsonObject): ExecCredentialSource {
  const env = arrayAt(json, "env").filter(isObject);
  return {
    command: stringAt(json, "command"),
    args: arrayAt(json, "args").filter(each => typeof each === "string"),
    env: Object.fromEntries(env.map(each => [stringAt(each, "name"), stringAt(each, "value")])),
    apiVersion: stringAt(json, "apiVersion"),
    installHint: stringAt(json, "installHint"),
    provideClusterInfo: json["provideClusterInfo"] === true,
  };
}

/** `FIELD-data` in base64 wins over the file that `FIELD` names. */
function inlineOrFile(
  { path, json }: LoadedFile,
  field: string,
  readFile: ReadFile,
): string | undefined {
  const inline = stringAt(json, `${field}-data`);
  if (inline !== "") return Buffer.from(inline, "base64").toString("utf8");
  const file = stringAt(json, field);
  return file === "" ? undefined : readFile(beside(path, file));
}

/** Files named in a kubeconfig are relative to it. */
function beside(kubeconfig: string, file: string): string {
  return isAbsolute(file) ? file : join(dirname(kubeconfig), file);
}

function named({ json }: LoadedFile, list: string): (readonly [string, JsonObject])[] {
  return arrayAt(json, list)
    .filter(isObject)
    .map(entry => [stringAt(entry, "name"), entry]);
}

function find(
  files: readonly LoadedFile[],
  list: string,
  field: string,
  name: string,
): LoadedFile | undefined {
  for (const file of files) {
    const entry = named(file, list).find(([known]) => known === name)?.[1];
    if (entry !== undefined) return { path: file.path, json: objectAt(entry, field) };
  }
  return undefined;
}

function firstText(files: readonly LoadedFile[], field: string): string {
  return files.map(file => stringAt(file.json, field)).find(text => text !== "") ?? "";
}

function guarded(path: string, make: () => ClusterAccess): Result<ClusterAccess> {
  try {
    return good(make());
  } catch (error) {
    return problem(path, reasonOf(error));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function good<T>(value: T): Result<T> {
  return { ok: true, value, diagnostics: [] };
}

function problem(path: string, message: string): { ok: false; diagnostics: [Diagnostic] } {
  return { ok: false, diagnostics: [{ severity: "error", path, message, reason: "Kubeconfig" }] };
}
