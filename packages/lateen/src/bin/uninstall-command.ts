/** `lateen uninstall` (also `lateen x uninstall`): takes away what `lateen install` brought. */
import type { JsonObject } from "../api/kind.ts";
import { REVISION_LABEL, TAG_LABEL } from "../api/revision-label.ts";
import {
  booleanFlag,
  type Command,
  type Invocation,
  listFlag,
  stringFlag,
  UserError,
} from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { idle } from "../cli/istioctl-flags.ts";
import { otherControlPlanes } from "../install/beside.ts";
import { helmControlPlanes } from "../install/helm-installed.ts";
import {
  type ControlPlane,
  controlPlanes,
  type InstalledObject,
  meshesOf,
  ofMesh,
  revisionsOf,
  tagObjects,
} from "../install/installed.ts";
import { describeName, nameOf, type ObjectName } from "../install/objects.ts";
import { removeObjects } from "../install/remove.ts";
import { removeOwnState, removeRoots } from "../install/remove-roots.ts";
import { labelOf } from "../install/revision-tags.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { CHARTS_FLAGS, checkCharts } from "./charts-flag.ts";
import { commandClock } from "./command-clock.ts";
import { askedInstallation, clusterClient } from "./install-input.ts";
import { confirmed } from "./prompt.ts";
import { installed } from "./verify-install-command.ts";

export const uninstallCommand: Command = {
  name: "uninstall",
  summary: "Removes Lateen from the cluster",
  description:
    "Removes a control-plane revision and what belongs to it, or with --purge everything that Lateen\n" +
    "installed: all revisions, cluster-wide objects, CRDs with the objects of their kinds, and the\n" +
    "ConfigMaps with the mesh's root; with -i NAMESPACE of the mesh there, where there are several, and\n" +
    "nothing that they share. Namespaces stay, and in that of the control plane the Secret with\n" +
    "the root's key: 'kubectl delete namespace istio-system' removes both. With the last control plane\n" +
    "of a namespace goes Secret lateen-ca-change, which holds the old key while the CA is changed.",
  examples: [
    "lateen uninstall --purge -y",
    "lateen uninstall --revision canary",
    "lateen uninstall -f my-mesh.yaml",
    "lateen uninstall --purge -i second-mesh",
  ],
  flags: [
    { name: "purge", kind: "boolean", description: "All revisions, and what they share" },
    { name: "revision", short: "r", kind: "string", description: "Control-plane revision" },
    {
      name: "filename",
      short: "f",
      kind: "list",
      description: "Files with IstioOperator objects: the control plane that they install",
    },
    {
      name: "set",
      short: "s",
      kind: "texts",
      description: "PATH=VALUE in the IstioOperator's spec, e.g. revision=canary",
    },
    ...CHARTS_FLAGS,
    { name: "skip-confirmation", short: "y", kind: "boolean", description: "Ask nothing" },
    { name: "dry-run", kind: "boolean", description: "Only say what would be removed" },
    idle({ name: "verbose", short: "v", kind: "boolean" }, "Everything is named in any case"),
    idle({ name: "force", kind: "boolean" }, "No object is checked before it is removed"),
  ],
  async run(ctx, given) {
    await checkCharts(ctx, given);
    const call = await withWhatFilesName(ctx, given);
    const purge = booleanFlag(call, "purge");
    const revision = stringFlag(call, "revision");
    if (purge === (revision !== undefined))
      throw new UserError(
        "uninstall needs either --purge or --revision",
        "lateen uninstall --purge removes everything; --revision NAME, or -f with the file it was installed from, one control plane",
      );
    const client = clusterClient(ctx, call);
    const all = await installed(client);
    const namespace = meshAsked(call, all, revision);
    const own = ofMesh(all, namespace);
    const planes = await controlPlanesOf(client);
    const staying = planes.filter(plane => !own.some(each => isOfPlane(each, plane)));
    const objects = purge
      ? await withoutNeeded(ctx, client, { all, namespace, staying })
      : own.filter(each => each.revision === revision);
    const [byHelm] =
      objects.length === 0 ? await helmControlPlanes(client, { namespace, revision }) : [];
    if (byHelm !== undefined) throw removedByHelm(byHelm);
    const tags = await ofTags(client, namespace, purge ? undefined : revision);
    const chosen = [...objects, ...tags.filter(each => !(purge && leadsTo(each, staying)))];
    if (chosen.length === 0) {
      if (revision !== undefined) throw notThere(revision, own, namespace);
      const where = namespace === undefined ? "in this cluster" : `in namespace ${namespace}`;
      ctx.stdout.write(`Nothing of Lateen is installed ${where}.\n`);
      return 0;
    }
    if (booleanFlag(call, "dry-run")) {
      for (const each of [...chosen].reverse())
        ctx.stdout.write(`  Would remove ${describeName(each)}.\n`);
      return 0;
    }
    if (revision !== undefined) await sayWhoIsLeft(ctx, client, { revision, namespace, planes });
    if (!(await isConfirmed(ctx, call, question(revision, namespace)))) {
      ctx.stdout.write("Cancelled.\n");
      return 1;
    }
    return remove(ctx, client, [...chosen].reverse(), purge);
  },
};

/** Of an IstioOperator only which control plane it is: what is removed has that one's labels. */
async function withWhatFilesName(ctx: CliContext, call: Invocation): Promise<Invocation> {
  if (listFlag(call, "filename").length + listFlag(call, "set").length === 0) return call;
  const { revision, namespace } = (await askedInstallation(ctx, call)).installation;
  return { ...call, flags: { ...call.flags, revision, istioNamespace: namespace } };
}

/** The control plane's namespace; undefined: it makes no difference, or everything is to go. */
function meshAsked(
  call: Invocation,
  all: readonly InstalledObject[],
  revision: string | undefined,
): string | undefined {
  const namespace = stringFlag(call, "istioNamespace");
  if (namespace !== undefined || revision === undefined) return namespace;
  const [only, ...more] = meshesOf(all.filter(each => each.revision === revision));
  if (more.length === 0) return only;
  throw new UserError(
    `revision ${revision} is installed in namespaces ${[only, ...more].join(", ")}`,
    "-i NAMESPACE says which one is to go",
  );
}

async function controlPlanesOf(client: ApiClient): Promise<readonly ControlPlane[]> {
  const found = await controlPlanes(client);
  if (found.ok) return found.planes;
  throw new UserError(`control planes can not be listed: ${found.status.message}`);
}

function isOfPlane({ kind, namespace, name }: InstalledObject, plane: ControlPlane): boolean {
  return kind === "Deployment" && namespace === plane.namespace && name === plane.name;
}

/** Whether a tag's webhook leads to one of them: its pods would not start without it. */
function leadsTo({ mesh, revision }: InstalledObject, planes: readonly ControlPlane[]): boolean {
  return planes.some(plane => plane.namespace === mesh && plane.revision === revision);
}

/**
 * What people made for a tag: all of it, or the default validator of one revision, which would hold up
 * every change of configuration. Tags that still lead to it are somebody's to move first: where they
 * led nowhere, no pod of their namespaces would start.
 */
async function ofTags(
  client: ApiClient,
  namespace: string | undefined,
  revision: string | undefined,
): Promise<readonly InstalledObject[]> {
  const found = await tagObjects(client);
  if (!found.ok) throw new UserError(`webhooks can not be listed: ${found.status.message}`);
  const ofThisMesh = ofMesh(found.objects, namespace);
  if (revision === undefined) return ofThisMesh;
  const own = ofThisMesh.filter(each => each.revision === revision);
  const tags = own.map(({ object }) => labelOf(object, TAG_LABEL)).filter(tag => tag !== "");
  if (tags.length === 0) return own;
  throw new UserError(
    `revision tags still lead to revision ${revision}: ${tags.join(", ")}`,
    "'lateen tag set TAG --revision REVISION --overwrite' moves them, 'lateen tag remove TAG' removes them",
  );
}

const PODS = { group: "", versions: ["v1"], plural: "pods", namespaced: true };

interface Left {
  readonly revision: string;
  readonly namespace: string | undefined;
  readonly planes: readonly ControlPlane[];
}

/** As istioctl: those that lose their control plane. */
async function sayWhoIsLeft(ctx: CliContext, client: ApiClient, going: Left): Promise<void> {
  const { revision, namespace, planes } = going;
  const others = planes.filter(each => each.revision === revision && each.namespace !== namespace);
  const areSeveral = namespace !== undefined && others.length > 0;
  // Which of several a proxy is of is said by its command line alone.
  const pods = await client.list(PODS, { form: areSeveral ? "full" : "metadata" });
  if (!pods.ok) return;
  const left = pods.value.items
    .filter(pod => !areSeveral || !others.some(plane => asks(pod, plane)))
    .map(pod => objectAt(pod, "metadata"))
    .filter(metadata => objectAt(metadata, "annotations")[REVISION_LABEL] === revision)
    .map(metadata => `${stringAt(metadata, "name")}.${stringAt(metadata, "namespace")}`);
  if (left.length === 0) return;
  ctx.stdout.write(
    `There are still ${left.length} proxies pointing to the control plane revision ${revision}\n` +
      `${left.join("\n")}\nIf you proceed with the uninstall, these proxies will become detached ` +
      "from any control plane and will not function correctly.\n",
  );
}

/** A control plane's Service is called as its Deployment. */
function asks(pod: JsonObject, { namespace, name }: ControlPlane): boolean {
  return JSON.stringify(objectAt(pod, "spec")).includes(`${name}.${namespace}.svc`);
}

interface Purge {
  readonly all: readonly InstalledObject[];
  /** Of the mesh that goes; undefined: all of them. */
  readonly namespace: string | undefined;
  /** Of Lateen's, by whomever they were installed. */
  readonly staying: readonly ControlPlane[];
}

/**
 * What is removed of one mesh, or of all. Control planes that stay need CRDs, whoever brought them:
 * deleting one deletes its objects. Those are Istio's, other meshes' and what Helm's charts installed.
 */
async function withoutNeeded(
  ctx: CliContext,
  client: ApiClient,
  { all, namespace, staying }: Purge,
): Promise<readonly InstalledObject[]> {
  const own = ofMesh(all, namespace);
  if (own.length === 0) return [];
  const places = staying.map(plane => plane.namespace);
  const meshes = namespace === undefined ? [] : [...meshesOf(all), ...places];
  const others = await otherControlPlanes(client, meshesOf(all));
  const areOthers = meshes.some(mesh => mesh !== namespace);
  const isCrd = ({ kind }: InstalledObject): boolean => kind === "CustomResourceDefinition";
  const isNeeded = (each: InstalledObject): boolean =>
    isCrd(each) || (each.revision === "" && places.includes(each.mesh));
  // The last one takes what earlier ones left for it.
  if (!areOthers && staying.length + others.length === 0) return all;
  const crds = all.filter(isCrd).length;
  if (crds > 0) ctx.stdout.write(`${crds} CRDs stay: another control plane is in the cluster.\n`);
  return (areOthers ? own : all).filter(each => !isNeeded(each));
}

function removedByHelm(deployment: JsonObject): UserError {
  const { namespace, name } = nameOf(deployment);
  const release = stringAt(
    objectAt(objectAt(deployment, "metadata"), "annotations"),
    "meta.helm.sh/release-name",
  );
  return new UserError(
    `Deployment ${namespace}/${name} was installed by Helm's charts, and is Helm's to remove`,
    release === "" ? "docs/helm.md says how" : `helm uninstall ${release} -n ${namespace}`,
  );
}

function notThere(
  revision: string,
  all: readonly InstalledObject[],
  namespace: string | undefined,
): UserError {
  const revisions = revisionsOf(all);
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  return new UserError(
    `there is no control plane of revision ${revision}${where}`,
    revisions.length === 0 ? "none is installed" : `installed: ${revisions.join(", ")}`,
  );
}

/** What is asked before anything goes; `revision` undefined: all of them. */
export function question(revision: string | undefined, namespace: string | undefined): string {
  const place = namespace === undefined ? "" : ` of the mesh in namespace ${namespace}`;
  const what =
    revision === undefined
      ? `All Istio resources${place} will be pruned from the cluster`
      : `All objects of revision ${revision}${place} will be removed; proxies that use it get no configuration any more`;
  return `${what}\nProceed? (y/N) `;
}

function isConfirmed(ctx: CliContext, call: Invocation, asked: string): Promise<boolean> | boolean {
  return booleanFlag(call, "skip-confirmation") || confirmed(asked, ctx.stdout);
}

async function remove(
  ctx: CliContext,
  client: ApiClient,
  objects: readonly InstalledObject[],
  purge: boolean,
): Promise<number> {
  const onRemoved = (name: ObjectName): void =>
    ctx.stdout.write(`  Removed ${describeName(name)}.\n`);
  const removal = { client, clock: commandClock, onRemoved };
  // Webhooks first: while they lead nowhere, they would hold up what is being deleted.
  const first = objects.filter(({ kind }) => kind.endsWith("WebhookConfiguration"));
  const rest = objects.filter(({ kind }) => !kind.endsWith("WebhookConfiguration"));
  const failures = [
    ...(await removeObjects(first, removal)),
    ...(await removeObjects(rest, removal)),
    ...(await removeOwnState(client, controlPlanesIn(objects), onRemoved)),
    ...(purge ? await removeRoots(client, meshesOf(objects), onRemoved) : []),
  ];
  for (const failure of failures) ctx.stderr.write(`✘ ${failure}\n`);
  if (failures.length > 0) return 1;
  ctx.stdout.write("✔ Uninstall complete\n");
  return 0;
}

function controlPlanesIn(objects: readonly InstalledObject[]): readonly InstalledObject[] {
  return objects.filter(each => each.kind === "Deployment" && each.component === "Pilot");
}
