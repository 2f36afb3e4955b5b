/** `lateen install` and `lateen upgrade`: a control plane and gateways into a Kubernetes cluster. */
import { parseDurationMs } from "../api/duration.ts";
import {
  booleanFlag,
  type Command,
  type Flag,
  type Invocation,
  stringFlag,
  UserError,
} from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { checkBeside, type OtherControlPlane, otherControlPlanes } from "../install/beside.ts";
import { helmControlPlanes } from "../install/helm-installed.ts";
import { type InstallFailure, installObjects, TITLES } from "../install/install.ts";
import { rootConflicts } from "../install/mesh-roots.ts";
import type { PlannedObject } from "../install/objects.ts";
import { type Installation, isEnabled } from "../install/operator.ts";
import { render } from "../install/render.ts";
import { renderOptions } from "../install/revision-tags.ts";
import { skewOf, skewWarning } from "../install/version-skew.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { CHARTS_FLAGS, checkCharts } from "./charts-flag.ts";
import { commandClock } from "./command-clock.ts";
import {
  askedInstallation,
  clusterClient,
  clusterFeatures,
  printWarnings,
  problems,
  SPEC_FLAGS,
} from "./install-input.ts";
import { defaultOf, renderParts } from "./install-parts.ts";
import { terminalProgress } from "./install-progress.ts";
import { confirmed } from "./prompt.ts";
import { installedVersions, verifyInstallation } from "./verify-install-command.ts";

const INSTALL_FLAGS: readonly Flag[] = [
  ...SPEC_FLAGS,
  ...CHARTS_FLAGS,
  { name: "skip-confirmation", short: "y", kind: "boolean", description: "Ask nothing" },
  {
    name: "dry-run",
    kind: "boolean",
    description: "Let the API server check everything, and change nothing",
  },
  {
    name: "readiness-timeout",
    kind: "string",
    description: "How long to wait for each component to be ready",
    default: "5m0s",
  },
  {
    name: "force",
    kind: "boolean",
    description: "Take over fields of our objects that others have set",
  },
  { name: "verify", kind: "boolean", description: "Look at everything again when it is installed" },
];

export const installCommand: Command = {
  name: "install",
  summary: "Installs Lateen into a Kubernetes cluster, or changes what is installed",
  description:
    "Installs control plane and gateways into a Kubernetes cluster, under Istio's object names, or\n" +
    "changes an installation: what the profile, the files and the settings no longer have is removed.\n" +
    "Images come from --set hub=REGISTRY/PATH and --set tag=TAG.",
  examples: [
    "lateen install --set profile=demo -y",
    "lateen install -f istio-demo.yaml --set hub=registry.example/mesh",
    "lateen install --revision canary --set values.pilot.resources.requests.cpu=1",
  ],
  flags: INSTALL_FLAGS,
  run: (ctx, call) => runInstall(ctx, call),
};

export const upgradeCommand: Command = {
  name: "upgrade",
  summary: "Brings what is installed to this version",
  description:
    "Applies this version over the one that is installed, as 'lateen install' with the same settings\n" +
    "does; says from which version to which. Proxies get the new version when their pods restart.",
  examples: ["lateen upgrade -f my-mesh.yaml"],
  flags: INSTALL_FLAGS,
  async run(ctx, call) {
    await checkCharts(ctx, call);
    const client = clusterClient(ctx, call);
    const { installation } = await askedInstallation(ctx, call);
    const { revision, namespace } = installation;
    const versions = await installedVersions(client, installation);
    if (versions.length === 0)
      throw new UserError(
        `revision ${revision} is not installed in namespace ${namespace}: there is nothing to upgrade`,
        (await helmControlPlanes(client, installation)).length === 0
          ? "lateen install"
          : "what Helm's charts installed is upgraded by 'helm upgrade'",
      );
    const newer = versions.find(version => skewOf(version, ctx.version) === "downgrade");
    if (newer !== undefined)
      throw new UserError(
        `revision ${revision} has version ${newer}, newer than this program (${ctx.version})`,
        "'lateen install' goes back to an older version",
      );
    ctx.stdout.write(
      versions.every(version => version === ctx.version)
        ? `Version ${ctx.version} is installed already: only the configuration is applied.\n`
        : `Upgrading from ${versions.join(", ")} to ${ctx.version}.\n`,
    );
    return runInstall(ctx, call);
  },
};

export async function runInstall(ctx: CliContext, call: Invocation): Promise<number> {
  await checkCharts(ctx, call);
  const timeout = stringFlag(call, "readiness-timeout") ?? "5m0s";
  const readinessTimeoutMs = parseDurationMs(timeout);
  if (readinessTimeoutMs === undefined || readinessTimeoutMs < 0)
    throw new UserError(`--readiness-timeout is "${timeout}"; expected a duration like 5m0s`);
  const { installation, warnings } = await askedInstallation(ctx, call);
  printWarnings(ctx, warnings);
  const client = clusterClient(ctx, call);
  await sayOtherVersion(ctx, client, installation);
  const comes = isEnabled(installation, "pilot");
  const { namespace, meshConfig } = installation;
  const others = comes ? await otherControlPlanes(client, [namespace]) : [];
  for (const { message } of comes ? await rootConflicts(client, namespace, meshConfig) : [])
    ctx.stderr.write(`Warning: ${message}\n`);
  await refuseApart(ctx, client, installation, { others, force: booleanFlag(call, "force") });
  const objects = await rendered(ctx, installation, client, others.length > 0);
  const dryRun = booleanFlag(call, "dry-run");
  const asks = !booleanFlag(call, "skip-confirmation") && !dryRun;
  if (asks && !(await confirmed(question(ctx, installation, objects), ctx.stdout))) {
    ctx.stdout.write("Cancelled.\n");
    return 1;
  }
  const failure = await installObjects(objects, {
    client,
    clock: commandClock,
    revision: installation.revision,
    namespace,
    readinessTimeoutMs,
    dryRun,
    force: booleanFlag(call, "force"),
    progress: terminalProgress(ctx),
  });
  if (failure !== undefined) return failed(ctx, failure);
  ctx.stdout.write(`✔ Installation complete${dryRun ? " (dry run: nothing was changed)" : ""}\n`);
  if (dryRun) return 0;
  if (makesDefault(objects))
    ctx.stdout.write("Making this installation the default for injection and validation.\n");
  if (booleanFlag(call, "verify")) {
    const code = await verifyInstallation(ctx, client, objects);
    if (code !== 0) return code;
  }
  await sayWhatIsAbsent(ctx, client);
  ctx.stdout.write(`\n${thanks(ctx)}\n`);
  return 0;
}

/** The older layouts name the Istio that they are the layout of, as scripts look for it. */
function thanks({ version, compat }: CliContext): string {
  const own = `Lateen ${version.split(".").slice(0, 2).join(".")}`;
  if (compat === undefined) return `Thank you for installing ${own}.`;
  return `Thank you for installing Istio ${compat}.  It is ${own}, which speaks Istio's API.`;
}

/** istioctl's warning where another version of the same revision is there. */
async function sayOtherVersion(
  ctx: CliContext,
  client: ApiClient,
  installation: Installation,
): Promise<void> {
  const { revision } = installation;
  const [from] = (await installedVersions(client, installation)).toSorted(byVersion).slice(-1);
  if (from === undefined || from === ctx.version) return;
  const direction = skewOf(from, ctx.version) === "downgrade" ? "downgraded" : "upgraded";
  const beside =
    revision === "default"
      ? "Running this command will overwrite it; use revisions to upgrade alongside the existing version."
      : undefined;
  const lines = [
    `Lateen is being ${direction} from ${from} to ${ctx.version}.`,
    beside,
    skewOf(from, ctx.version) === "leap" ? skewWarning(from, ctx.version) : undefined,
    "Before upgrading, you may wish to use 'lateen x precheck' to check for upgrade warnings.",
  ];
  const said = lines.filter(line => line !== undefined);
  ctx.stderr.write(`WARNING: ${said.join("\n         ")}\n`);
}

function byVersion(a: string, b: string): number {
  return skewOf(a, b) === "downgrade" ? 1 : -1;
}

/** Beside Istio, a control plane that could not be of its mesh is not installed. */
async function refuseApart(
  ctx: CliContext,
  client: ApiClient,
  installation: Installation,
  { others, force }: { others: readonly OtherControlPlane[]; force: boolean },
): Promise<void> {
  const found = await checkBeside(client, installation, others);
  const errors = found.filter(({ severity }) => severity === "error" && !force);
  for (const { message } of found.filter(each => !errors.includes(each)))
    ctx.stderr.write(`Warning: ${message}\n`);
  if (errors.length > 0)
    throw new UserError(
      errors.map(({ message }) => message).join("\n"),
      "docs/beside-istio.md says how they share a root; --force installs it nevertheless",
    );
}

async function rendered(
  ctx: CliContext,
  installation: Installation,
  client: ApiClient,
  beside: boolean,
): Promise<readonly PlannedObject[]> {
  const parts = renderParts(ctx.version, await clusterFeatures(client));
  const holder = await defaultOf(client);
  if (installation.revision === "default" && ![undefined, "default"].includes(holder.revision))
    ctx.stdout.write(
      "This installation will make default injection and validation pointing to the default revision, " +
        "and originally it was pointing to the revisioned one.\n",
    );
  const options = renderOptions(installation.revision, holder, beside);
  const result = render(installation, parts, options);
  if (!result.ok) throw new UserError(problems(result.diagnostics));
  printWarnings(ctx, result.diagnostics);
  return result.value;
}

function makesDefault(objects: readonly PlannedObject[]): boolean {
  const names = new Set(["istiod-default-validator", "istio-revision-tag-default"]);
  return objects.some(({ object }) => {
    const metadata = object["metadata"];
    return typeof metadata === "object" && metadata !== null && "name" in metadata
      ? names.has(String(metadata.name))
      : false;
  });
}

function question(
  ctx: CliContext,
  { profile }: Installation,
  objects: readonly PlannedObject[],
): string {
  const present = new Set(objects.map(each => TITLES[each.component]));
  const titles = [...present].map(title => `"${title}"`).join(" ");
  return (
    `This will install the Lateen ${ctx.version} ${profile} profile with [${titles}] components ` +
    "into the cluster. Proceed? (y/N) "
  );
}

function failed(ctx: CliContext, { component, messages, hint }: InstallFailure): number {
  const [first = "", ...rest] = messages;
  ctx.stderr.write(`✘ ${component} encountered an error: ${first}\n`);
  for (const line of rest) ctx.stderr.write(`  ${line}\n`);
  if (hint !== undefined) ctx.stderr.write(`${hint}\n`);
  return 1;
}

async function sayWhatIsAbsent(ctx: CliContext, client: ApiClient): Promise<void> {
  const answer = await client.send("GET", "/apis/gateway.networking.k8s.io");
  if (answer.ok)
    ctx.stdout.write(
      "Kubernetes Gateway API: its objects are not carried out, so no GatewayClass was created.\n",
    );
}
