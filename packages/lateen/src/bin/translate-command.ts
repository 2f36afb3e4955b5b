/** `lateen manifest translate`: an installation as values of the Helm charts, with the way there. */

import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../api/kind.ts";
import { own } from "../base/own.ts";
import { type Command, stringFlag, UserError } from "../cli/command.ts";
import { without } from "../cli/istioctl-flags.ts";
import { renderObject } from "../cli/printers/object.ts";
import { type ChartRelease, chartReleases } from "../install/chart-values.ts";
import type { PlannedObject } from "../install/objects.ts";
import { render } from "../install/render.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { askedInstallation, printWarnings, problems, SPEC_FLAGS, TODAY } from "./install-input.ts";
import { renderParts } from "./install-parts.ts";

const CHARTS = { base: "base", istiod: "istio-control/istio-discovery", gateway: "gateway" };
const EXECUTABLE = 0o755;

export const translateCommand: Command = {
  name: "translate",
  summary: "Translates an installation to values of the Helm charts",
  description:
    "Writes a folder: for each component the values of its chart and a script that hands its objects over\n" +
    "to Helm, and a README.md that says what has no value in a chart. The cluster is not changed.",
  examples: [
    "lateen manifest translate --set profile=demo",
    "lateen manifest translate -f my-mesh.yaml -o to-helm",
  ],
  flags: [
    ...SPEC_FLAGS,
    {
      name: "manifests",
      short: "d",
      kind: "string",
      description: "Folder with the charts, for the scripts",
      default: "manifests",
    },
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "Folder to write (default: a new one)",
    },
    without(
      { name: "dry-run", kind: "boolean" },
      "only files are written, and the cluster is not changed in any case",
    ),
  ],
  async run(ctx, call) {
    const { installation, warnings } = await askedInstallation(ctx, call);
    printWarnings(ctx, warnings);
    const makeDefault = installation.revision === "default";
    const result = render(installation, renderParts(ctx.version, TODAY), { makeDefault });
    if (!result.ok) throw new UserError(problems(result.diagnostics));
    const folder = await outputFolder(stringFlag(call, "output"));
    const manifests = stringFlag(call, "manifests") ?? "manifests";
    const releases = chartReleases(installation);
    for (const release of releases) {
      const { name, chart, values } = release;
      if (chart === undefined) continue;
      await writeFile(join(folder, `${name}-values.yaml`), await renderObject(values, "yaml"));
      const script = scriptOf(release, objectsOf(release, result.value), manifests);
      await writeFile(join(folder, `install-${name}.sh`), script, { mode: EXECUTABLE });
    }
    await writeFile(join(folder, "README.md"), readme(releases));
    ctx.stdout.write(`Output written to ${folder}! See the README.md for next steps\n`);
    return 0;
  },
};

async function outputFolder(asked: string | undefined): Promise<string> {
  try {
    if (asked === undefined) return await mkdtemp(join(tmpdir(), "lateen-translate-"));
    await mkdir(asked, { recursive: true });
    return asked;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new UserError(`--output: the folder can not be made: ${problem}`);
  }
}

/** Of gateways, those by the release's name: there may be several of a type. */
function objectsOf(
  { name, component, chart }: ChartRelease,
  all: readonly PlannedObject[],
): readonly JsonObject[] {
  const isOwn = (object: JsonObject): boolean =>
    chart !== "gateway" ||
    [name, `${name}-service-account`].includes(stringAt(objectAt(object, "metadata"), "name"));
  return all
    .filter(each => each.component === component && isOwn(each.object))
    .map(({ object }) => object)
    .filter(object => object["kind"] !== "Namespace");
}

function scriptOf(
  { name, chart, namespace }: ChartRelease,
  objects: readonly JsonObject[],
  manifests: string,
): string {
  const path = chart === undefined ? "" : own(CHARTS, chart);
  return [
    "#!/usr/bin/env bash",
    "set -euo pipefail",
    "type kubectl helm >/dev/null",
    'here=$(cd "$(dirname "$0")" && pwd)',
    "",
    "# Marks an object that is there as a part of the Helm release.",
    "adopt() {",
    '  kubectl get "$@" >/dev/null 2>&1 || return 0',
    `  kubectl annotate --overwrite "$@" meta.helm.sh/release-name=${name} \\`,
    `    meta.helm.sh/release-namespace=${namespace}`,
    '  kubectl label --overwrite "$@" app.kubernetes.io/managed-by=Helm',
    "}",
    ...objects.map(object => handover(object, chart === "gateway")),
    "",
    "# Helm 4 has to be told that fields go from one owner to another; Helm 3 does not ask.",
    "force=$(helm upgrade --help | grep -o -m1 -e --force-conflicts || true)",
    `helm upgrade --install ${name} --namespace ${namespace} --create-namespace \${force:+"$force"} \\`,
    `  -f "$here/${name}-values.yaml" "\${CHARTS:-${manifests}/charts}/${path}"`,
    "",
  ].join("\n");
}

function handover(object: JsonObject, isGateway: boolean): string {
  const metadata = objectAt(object, "metadata");
  const [group = "", version] = stringAt(object, "apiVersion").split("/");
  const kind = stringAt(object, "kind");
  const type = version === undefined ? kind : `${kind}.${version}.${group}`;
  const namespace = stringAt(metadata, "namespace");
  const where = namespace === "" ? "" : ` --namespace=${namespace}`;
  const what = `${type} ${stringAt(metadata, "name")}${where}`;
  // Its proxy is filled in by injection from now on: made anew, its pods go on until others are there.
  if (isGateway && kind === "Deployment")
    return `kubectl delete --ignore-not-found --cascade=orphan ${what}`;
  return `adopt ${what}`;
}

function readme(releases: readonly ChartRelease[]): string {
  const parts = releases.map(({ name, chart, untranslated }) => {
    if (chart === undefined)
      return `* ❌ **Component \`${name}\`**: no chart installs it; \`lateen install\` does.\n`;
    const missing = untranslated.map(line => `  - ${line}\n`).join("");
    const warning =
      missing === "" ? "" : `\n  ⚠️ What has no value in the chart, and is lost:\n\n${missing}`;
    return (
      `* ✅ **Component \`${name}\`**: chart ${chart}\n${warning}\n` +
      `  The translated values are in ${name}-values.yaml.\n` +
      `  Use them directly, or follow the guided \`install-${name}.sh\` script.\n`
    );
  });
  return [
    "# From an installation to Helm",
    "",
    "`lateen manifest translate` made this folder; it did not change the cluster.",
    "For each component look at its values and run its script, in this order; wait until the",
    "control plane is ready before the gateways.",
    "`CHARTS` in the environment names the folder of the charts.",
    "",
    "# Components",
    ...parts,
  ].join("\n");
}
