/** Flags that the commands of an installation share, and what they name. */
import type { JsonObject } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { type Flag, type Invocation, listFlag, stringFlag, UserError } from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { readManifests } from "../cli/objects/manifests.ts";
import { type ClusterFeatures, featuresOf } from "../inject/cluster-features.ts";
import { type Installation, isOperator, resolveInstallation } from "../install/operator.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { httpTransport } from "../sources/client/http-transport.ts";
import { stringAt } from "../sources/json.ts";
import { clusterOptions, personsCluster } from "./open-cluster.ts";
import { requireCluster, sayOnce, whichMesh } from "./which-mesh.ts";

export const SPEC_FLAGS: readonly Flag[] = [
  {
    name: "filename",
    short: "f",
    kind: "list",
    description: "Files with IstioOperator objects; later ones go before earlier ones",
  },
  {
    name: "set",
    short: "s",
    kind: "texts",
    description: "PATH=VALUE in the IstioOperator's spec, e.g. profile=demo; goes before files",
  },
  { name: "revision", short: "r", kind: "string", description: "Control-plane revision" },
];

export interface Asked {
  readonly installation: Installation;
  readonly warnings: readonly Diagnostic[];
}

/** Throws a `UserError` with every problem. */
export async function askedInstallation(ctx: CliContext, call: Invocation): Promise<Asked> {
  const operators = await readOperators(ctx, listFlag(call, "filename"));
  const revision = stringFlag(call, "revision");
  const namespace = stringFlag(call, "istioNamespace");
  const resolved = resolveInstallation({
    operators,
    sets: listFlag(call, "set"),
    ...(revision === undefined ? {} : { revision }),
    ...(namespace === undefined ? {} : { namespace }),
    version: ctx.version,
  });
  if (!resolved.ok) throw new UserError(problems(resolved.diagnostics));
  return { installation: resolved.value, warnings: resolved.diagnostics };
}

async function readOperators(
  ctx: CliContext,
  files: readonly string[],
): Promise<readonly JsonObject[]> {
  if (files.length === 0) return [];
  const found = await readManifests(ctx, files);
  return found.map(({ manifest, origin }) => {
    if (isOperator(manifest)) return manifest;
    const { kind, apiVersion } = manifest;
    throw new UserError(
      `${origin}: found ${kind} ${apiVersion}; expected IstioOperator install.istio.io/v1alpha1`,
    );
  });
}

export function problems(diagnostics: readonly Diagnostic[]): string {
  return diagnostics
    .filter(({ severity }) => severity === "error")
    .map(({ path, message }) => (path === "" ? message : `${path}: ${message}`))
    .join("\n");
}

export function printWarnings(ctx: CliContext, diagnostics: readonly Diagnostic[]): void {
  for (const { severity, path, message } of diagnostics)
    if (severity === "warning") ctx.stderr.write(`Warning: ${path}: ${message}\n`);
}

/** The cluster that is meant; throws a `UserError` where that is a mesh of this machine (which-mesh.ts). */
export function clusterClient(ctx: CliContext, call: Invocation): ApiClient {
  const which = whichMesh(call.flags, ctx.home);
  requireCluster(which);
  sayOnce(ctx.stderr, which.note);
  return new ApiClient(httpTransport(clusterOptions(personsCluster(call.flags))));
}

/** What today's clusters can do, for what is printed and not applied. */
export const TODAY: ClusterFeatures = featuresOf({ major: "1", minor: "33" });

export async function clusterFeatures(client: ApiClient): Promise<ClusterFeatures> {
  const answer = await client.send("GET", "/version");
  if (!answer.ok) throw new UserError(`the cluster can not be reached: ${answer.status.message}`);
  const { value } = answer;
  return featuresOf({ major: stringAt(value, "major"), minor: stringAt(value, "minor") });
}
