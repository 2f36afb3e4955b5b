/** `lateen manifest generate`: what an installation would apply. */
import { booleanFlag, type Command, type Invocation, listFlag, UserError } from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { idle, without } from "../cli/istioctl-flags.ts";
import { renderObject } from "../cli/printers/object.ts";
import { otherControlPlanes } from "../install/beside.ts";
import { TITLES } from "../install/install.ts";
import type { PlannedObject } from "../install/objects.ts";
import { type Installation, isEnabled } from "../install/operator.ts";
import { render } from "../install/render.ts";
import { renderOptions } from "../install/revision-tags.ts";
import { CHARTS_FLAGS, checkCharts } from "./charts-flag.ts";
import { installCommand } from "./install-command.ts";
import {
  askedInstallation,
  clusterClient,
  clusterFeatures,
  printWarnings,
  problems,
  SPEC_FLAGS,
  TODAY,
} from "./install-input.ts";
import { defaultOf, renderParts } from "./install-parts.ts";
import { translateCommand } from "./translate-command.ts";

const COMPONENTS = Object.keys(TITLES);

const generateCommand: Command = {
  name: "generate",
  summary: "Prints the objects of an installation",
  description:
    "Prints the objects that 'lateen install' applies, in their order, as YAML for kubectl apply. No\n" +
    "cluster is asked, but for --cluster-specific.",
  examples: [
    "lateen manifest generate --set profile=demo | kubectl apply --server-side -f -",
    "lateen manifest generate -f my-mesh.yaml --revision canary",
    "lateen manifest generate --component Base,Pilot",
  ],
  flags: [
    ...SPEC_FLAGS,
    ...CHARTS_FLAGS,
    {
      name: "component",
      kind: "list",
      description: `Only objects of these components: ${COMPONENTS.join(", ")}`,
    },
    {
      name: "cluster-specific",
      kind: "boolean",
      description: "For the cluster of the kubeconfig: its version, and what is installed in it",
    },
    idle({ name: "dry-run", kind: "boolean" }, "Nothing is changed in any case"),
    idle({ name: "force", kind: "boolean" }, "What is wrong in the settings has no objects"),
    without(
      { name: "output", short: "o", kind: "string" },
      "objects are printed, to be written by '> FILE', and in the order in which they are applied",
    ),
  ],
  async run(ctx, call) {
    await checkCharts(ctx, call);
    const components = componentsAsked(call);
    const { installation, warnings } = await askedInstallation(ctx, call);
    printWarnings(ctx, warnings);
    const all = await rendered(ctx, call, installation);
    const objects =
      components.length === 0 ? all : all.filter(each => components.includes(each.component));
    for (const [i, { object }] of objects.entries())
      ctx.stdout.write(`${i === 0 ? "" : "---\n"}${await renderObject(object, "yaml")}`);
    return 0;
  },
};

function componentsAsked(call: Invocation): readonly string[] {
  const asked = listFlag(call, "component");
  const unknown = asked.find(name => !COMPONENTS.includes(name));
  if (unknown === undefined) return asked;
  throw new UserError(`--component is "${unknown}"; it must be of ${COMPONENTS.join(", ")}`);
}

async function rendered(
  ctx: CliContext,
  call: Invocation,
  installation: Installation,
): Promise<readonly PlannedObject[]> {
  const result = booleanFlag(call, "cluster-specific")
    ? await renderedForCluster(ctx, call, installation)
    : render(installation, renderParts(ctx.version, TODAY), {
        makeDefault: installation.revision === "default",
      });
  if (!result.ok) throw new UserError(problems(result.diagnostics));
  printWarnings(ctx, result.diagnostics);
  return result.value;
}

async function renderedForCluster(ctx: CliContext, call: Invocation, installation: Installation) {
  const client = clusterClient(ctx, call);
  const parts = renderParts(ctx.version, await clusterFeatures(client));
  const others = isEnabled(installation, "pilot")
    ? await otherControlPlanes(client, [installation.namespace])
    : [];
  const holder = await defaultOf(client);
  return render(
    installation,
    parts,
    renderOptions(installation.revision, holder, others.length > 0),
  );
}

export const manifestCommand: Command = {
  name: "manifest",
  summary: "Commands for the objects of an installation",
  subcommands: [generateCommand, { ...installCommand, aliases: ["apply"] }, translateCommand],
};
