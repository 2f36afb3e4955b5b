/** `lateen verify-install`: whether everything that was to be installed is there and works. */
import { REVISION_LABEL } from "../api/revision-label.ts";
import { type Command, listFlag, stringFlag, UserError } from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { helmObjects } from "../install/helm-installed.ts";
import { type InstalledObject, installedObjects, meshesOf, ofMesh } from "../install/installed.ts";
import { nameOf, type PlannedObject, resourceOf } from "../install/objects.ts";
import type { Installation } from "../install/operator.ts";
import { problemOf } from "../install/readiness.ts";
import { COMPONENT_LABEL, OWNER, OWNER_LABEL, render, VERSION_LABEL } from "../install/render.ts";
import { renderOptions } from "../install/revision-tags.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { CHARTS_FLAGS, checkCharts } from "./charts-flag.ts";
import {
  askedInstallation,
  clusterClient,
  clusterFeatures,
  problems,
  SPEC_FLAGS,
} from "./install-input.ts";
import { defaultOf, renderParts } from "./install-parts.ts";

export const verifyInstallCommand: Command = {
  name: "verify-install",
  summary: "Checks an installation in the cluster",
  description:
    "Checks that every object of an installation is in the cluster, and ready: that of the files and\n" +
    "settings given, or whatever is installed, by Helm's charts, too.",
  examples: ["lateen verify-install", "lateen verify-install -f istio-demo.yaml"],
  flags: [
    ...SPEC_FLAGS,
    ...CHARTS_FLAGS,
    {
      name: "enableVerbose",
      kind: "boolean",
      description: "Say of each object that it is there",
      default: true,
    },
  ],
  async run(given, call) {
    await checkCharts(given, call);
    const ctx = call.flags["enableVerbose"] === false ? withoutTicks(given) : given;
    const client = clusterClient(ctx, call);
    const named = listFlag(call, "filename").length > 0 || listFlag(call, "set").length > 0;
    if (named) {
      const { installation } = await askedInstallation(ctx, call);
      const parts = renderParts(ctx.version, await clusterFeatures(client));
      const options = renderOptions(installation.revision, await defaultOf(client));
      const result = render(installation, parts, options);
      if (!result.ok) throw new UserError(problems(result.diagnostics));
      return verifyInstallation(ctx, client, result.value);
    }
    const namespace = stringFlag(call, "istioNamespace");
    const found = ofMesh(await installed(client), namespace);
    const revision = stringFlag(call, "revision");
    const own = found.filter(
      each => revision === undefined || each.revision === revision || each.revision === "",
    );
    const helms = await helmObjects(client, { namespace, revision });
    const isInstalled = meshesOf(own).length > 0;
    if (!isInstalled && helms.length === 0) {
      const where = namespace === undefined ? "in this cluster" : `in namespace ${namespace}`;
      throw new UserError(
        `no installation of ${revision === undefined ? "Lateen" : `revision ${revision}`} was found ${where}`,
        "lateen install",
      );
    }
    return verify(ctx, client, [...(isInstalled ? own : []), ...helms]);
  },
};

/** What is wrong, and the sum. */
function withoutTicks(ctx: CliContext): CliContext {
  const write = (text: string): void => {
    if (!text.endsWith(" checked successfully\n")) ctx.stdout.write(text);
  };
  return { ...ctx, stdout: { write } };
}

export function verifyInstallation(
  ctx: CliContext,
  client: ApiClient,
  objects: readonly PlannedObject[],
): Promise<number> {
  return verify(
    ctx,
    client,
    objects.map(({ object }) => nameOf(object)),
  );
}

type Names = readonly {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}[];

async function verify(ctx: CliContext, client: ApiClient, names: Names): Promise<number> {
  let failures = 0;
  for (const each of names) {
    const problem = await problemOf(client, each);
    const shown = `${each.kind}: ${each.name}${each.namespace === "" ? "" : `.${each.namespace}`}`;
    if (problem === undefined) ctx.stdout.write(`✔ ${shown} checked successfully\n`);
    else {
      failures++;
      ctx.stderr.write(`✘ ${shown}: ${problem.why}\n`);
    }
  }
  const count = (kind: string): number => names.filter(each => each.kind === kind).length;
  ctx.stdout.write(`Checked ${count("CustomResourceDefinition")} custom resource definitions\n`);
  ctx.stdout.write(`Checked ${count("Deployment")} Istio Deployments\n`);
  if (failures > 0) {
    ctx.stderr.write(`✘ ${failures} of ${names.length} objects are missing or not ready\n`);
    return 1;
  }
  ctx.stdout.write("✔ Istio is installed and verified successfully\n");
  return 0;
}

export async function installed(client: ApiClient): Promise<readonly InstalledObject[]> {
  const found = await installedObjects(client);
  if (found.ok) return found.objects;
  throw new UserError(`the cluster does not tell what is installed: ${found.status.message}`);
}

/** Versions of the control plane's Deployments of a revision. */
export async function installedVersions(
  client: ApiClient,
  { namespace, revision }: Pick<Installation, "namespace" | "revision">,
): Promise<readonly string[]> {
  const labelSelector = `${OWNER_LABEL}=${OWNER},${COMPONENT_LABEL}=Pilot,${REVISION_LABEL}=${revision}`;
  const list = await client.list(resourceOf("Deployment"), { namespace, labelSelector });
  if (!list.ok)
    throw new UserError(`the cluster does not tell what is installed: ${list.status.message}`);
  const versions = list.value.items.map(item =>
    stringAt(objectAt(objectAt(item, "metadata"), "labels"), VERSION_LABEL),
  );
  return [...new Set(versions)];
}
