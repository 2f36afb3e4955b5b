/** From flags and environment to a Kubernetes cluster: its pod's service account, or a kubeconfig. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { Result } from "../base/diagnostic.ts";
import { type FlagValues, UserError } from "../cli/command.ts";
import { systemClock } from "../net/clock.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { transportOptions } from "../sources/client/credentials.ts";
import { type HttpTransportOptions, httpTransport } from "../sources/client/http-transport.ts";
import {
  type ClusterAccess,
  inClusterAccess,
  loadKubeconfig,
} from "../sources/client/kubeconfig.ts";
import type { DiscoverySource } from "./discovery-options.ts";

export interface ClusterChoice {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly systemNamespace: string | undefined;
  readonly revision: string;
}

const DEFAULT_SYSTEM_NAMESPACE = "istio-system";

/** Throws a `UserError` where the cluster can not be known. */
export function openCluster(choice: ClusterChoice): DiscoverySource & { kind: "kube" } {
  const inPod = choice.kubeconfig === undefined && choice.context === undefined;
  const access = must(inPod ? fromPod() : fromKubeconfig(choice));
  const own = process.env["POD_NAMESPACE"] ?? (inPod ? access.namespace : DEFAULT_SYSTEM_NAMESPACE);
  const environment = process.env;
  try {
    const options = transportOptions(access, { clock: systemClock, environment });
    const client = new ApiClient(httpTransport(options));
    const { systemNamespace = own, revision } = choice;
    return { kind: "kube", client, systemNamespace, revision };
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error));
  }
}

/** `--as`, `--as-group` and `--as-uid`; undefined where a flag is not given. */
export interface Impersonation {
  readonly user: string | undefined;
  readonly groups: readonly string[];
  readonly uid: string | undefined;
}

export interface PersonsCluster {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly as: Impersonation | undefined;
}

/** What flags of a command line say; `as` only where one of its flags is given. */
export function personsCluster(flags: FlagValues): PersonsCluster {
  const text = (name: string): string | undefined => {
    const value = flags[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const groups = flags["as-group"];
  const as = { user: text("as"), groups: Array.isArray(groups) ? groups : [], uid: text("as-uid") };
  const asked = as.user !== undefined || as.uid !== undefined || as.groups.length > 0;
  if (asked && as.user === undefined)
    throw new UserError("--as-group and --as-uid go with --as: found no user");
  return {
    kubeconfig: text("kubeconfig"),
    context: text("context"),
    as: asked ? as : undefined,
  };
}

/**
 * For commands of a person: the cluster of `--kubeconfig`, `--context` or the current context; in a
 * pod without a kubeconfig that pod's. Throws a `UserError` where the cluster can not be known.
 */
export function clusterOptions({ kubeconfig, context, as }: PersonsCluster): HttpTransportOptions {
  const inPod =
    process.env["KUBERNETES_SERVICE_HOST"] !== undefined && process.env["KUBECONFIG"] === undefined;
  const asked = kubeconfig !== undefined || context !== undefined;
  const choice = { kubeconfig, context, systemNamespace: undefined, revision: "default" };
  const access = must(inPod && !asked ? fromPod() : fromKubeconfig(choice));
  try {
    const options = transportOptions(access, { clock: systemClock, environment: process.env });
    return as === undefined ? options : { ...options, headers: impersonating(as) };
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error));
  }
}

/** kubernetes.io, "User impersonation". */
function impersonating({ user = "", groups, uid }: Impersonation) {
  return {
    "impersonate-user": user,
    ...(groups.length === 0 ? {} : { "impersonate-group": groups }),
    ...(uid === undefined ? {} : { "impersonate-uid": uid }),
  };
}

/** Files named by `--kubeconfig`, `$KUBECONFIG` or habit, in kubectl's order. */
export function kubeconfigFiles(given: string | undefined): readonly string[] {
  if (given !== undefined) return [given];
  const listed = (process.env["KUBECONFIG"] ?? "").split(delimiter).filter(each => each !== "");
  return listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
}

function fromKubeconfig({ kubeconfig, context }: ClusterChoice): Result<ClusterAccess> {
  const files = kubeconfigFiles(kubeconfig);
  return loadKubeconfig({ files, ...(context === undefined ? {} : { context }) }, readText);
}

function fromPod(): Result<ClusterAccess> {
  const host = process.env["KUBERNETES_SERVICE_HOST"] ?? "";
  return inClusterAccess(host, process.env["KUBERNETES_SERVICE_PORT"] ?? "443", readText);
}

function readText(path: string): string {
  return readFileSync(path, "utf8");
}

function must(result: Result<ClusterAccess>): ClusterAccess {
  if (result.ok) return result.value;
  throw new UserError(result.diagnostics.map(each => `${each.path}: ${each.message}`).join("; "));
}
