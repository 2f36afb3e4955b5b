/** `lateen tag`: names for control-plane revisions, that namespaces use. Features row 102. */
import type { JsonObject } from "../api/kind.ts";
import { TAG_LABEL } from "../api/revision-label.ts";
import {
  booleanFlag,
  type Command,
  type Flag,
  type Invocation,
  stringFlag,
  UserError,
} from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { renderObject } from "../cli/printers/object.ts";
import { renderTable } from "../cli/tabwriter.ts";
import { defaultValidator, revisionTagWebhook } from "../inject/webhook-objects.ts";
import { applyObject } from "../install/apply.ts";
import { nameOf, resourceOf } from "../install/objects.ts";
import {
  canonicalOf,
  DEFAULT_TAG,
  describeTags,
  labelOf,
  leadingTo,
  namespacesOfTag,
  type PlannedTag,
  planTag,
  type TagDescription,
} from "../install/revision-tags.ts";
import { overlaps } from "../install/webhook-overlap.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { CHARTS_FLAGS, checkCharts } from "./charts-flag.ts";
import { clusterClient } from "./install-input.ts";
import { confirmed } from "./prompt.ts";

const SKIP: Flag = {
  name: "skip-confirmation",
  short: "y",
  kind: "boolean",
  description: "Ask nothing, and go on where other webhooks overlap",
};

const TAG_FLAGS: readonly Flag[] = [
  { name: "revision", short: "r", kind: "string", description: "Revision that the tag leads to" },
  { name: "overwrite", kind: "boolean", description: "Let a tag that is there lead elsewhere" },
  {
    name: "webhook-name",
    kind: "string",
    description: "Name of the tag's webhook configuration (default istio-revision-tag-TAG)",
  },
  {
    name: "auto-inject-namespaces",
    kind: "boolean",
    description: "Tag default: inject pods also where neither they nor their namespace ask for it",
  },
  ...CHARTS_FLAGS,
  SKIP,
];

const setCommand: Command = {
  name: "set",
  aliases: ["create"],
  summary: "Makes a tag, or lets it lead to another revision",
  description:
    "Makes a revision tag: pods that start in namespaces labelled istio.io/rev=TAG get the sidecar of the\n" +
    "revision behind it. Tag default also serves namespaces with istio-injection=enabled, and its\n" +
    "revision checks objects that name none.",
  positionals: [{ name: "revision-tag", required: false, rest: true }],
  flags: TAG_FLAGS,
  examples: [
    "lateen tag set prod --revision 1-8-0",
    "lateen tag set prod --revision 1-8-1 --overwrite",
    "lateen tag set default --revision 1-8-1",
  ],
  async run(ctx, call) {
    await checkCharts(ctx, call);
    const asked = question(call.args, call.flags);
    const client = clusterClient(ctx, call);
    const planned = await plan(client, { ...asked, generate: false });
    const conflict = await conflictOf(client, planned);
    if (conflict !== undefined && !booleanFlag(call, "skip-confirmation")) {
      ctx.stderr.write(conflict);
      if (!(await confirmed("Apply anyways? [y/N]", ctx.stdout))) return 0;
    }
    // The old one last: for a moment both are called, and never none.
    const { objects, deactivated } = planned;
    for (const object of [...objects, ...(deactivated === undefined ? [] : [deactivated])]) {
      const applied = await applyObject(client, object, { dryRun: false, force: true });
      if (!applied.ok)
        throw new UserError(
          `failed to apply tag webhook ${nameOf(object).kind} to cluster: ${applied.message}`,
        );
    }
    const { tag, revision } = asked;
    ctx.stdout.write(
      `Revision tag "${tag}" created, referencing control plane revision "${revision}". To enable ` +
        "injection using this\n" +
        `revision tag, use 'kubectl label namespace <NAMESPACE> istio.io/rev=${tag}'\n`,
    );
    return 0;
  },
};

const generateCommand: Command = {
  name: "generate",
  summary: "Prints what would make a tag",
  description: "Prints the objects of a revision tag for kubectl apply, and changes nothing.",
  positionals: [{ name: "revision-tag", required: false, rest: true }],
  flags: TAG_FLAGS,
  examples: ["lateen tag generate prod --revision 1-8-0 > tag.yaml"],
  async run(ctx, call) {
    await checkCharts(ctx, call);
    const asked = question(call.args, call.flags);
    const client = clusterClient(ctx, call);
    const planned = await plan(client, { ...asked, generate: true });
    const conflict = await conflictOf(client, planned);
    if (conflict !== undefined && !booleanFlag(call, "skip-confirmation"))
      ctx.stderr.write(conflict);
    for (const [i, object] of planned.objects.entries())
      ctx.stdout.write(`${i === 0 ? "" : "---\n"}${await renderObject(object, "yaml")}`);
    return 0;
  },
};

const listCommand: Command = {
  name: "list",
  aliases: ["show"],
  summary: "Lists tags with their revisions and namespaces",
  flags: [
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "Output format",
      default: "table",
      values: ["table", "json", "yaml"],
    },
  ],
  examples: ["lateen tag list"],
  async run(ctx, call) {
    const client = clusterClient(ctx, call);
    const webhooks = await injectors(client, call);
    const tags = describeTags(webhooks, await all(client, "Namespace"));
    if (tags.length === 0) {
      ctx.stdout.write("No Istio revision tag MutatingWebhookConfigurations to list\n");
      return 0;
    }
    await print(ctx, tags, stringFlag(call, "output") ?? "table");
    return 0;
  },
};

const removeCommand: Command = {
  name: "remove",
  aliases: ["delete"],
  summary: "Removes a tag",
  description:
    "Removes a revision tag. Namespaces that name it get no sidecars then: 'lateen tag list' shows them.",
  positionals: [{ name: "revision-tag", required: false, rest: true }],
  flags: [{ ...SKIP, description: "Ask nothing" }],
  examples: ["lateen tag remove prod"],
  async run(ctx, call) {
    const tag = onlyTag(call.args, "must provide a tag for removal", "removal");
    const client = clusterClient(ctx, call);
    const webhooks = await injectors(client, call);
    const own = webhooks.filter(each => labelOf(each, TAG_LABEL) === tag);
    if (own.length === 0)
      throw new UserError(
        `cannot remove tag "${tag}": cannot find MutatingWebhookConfiguration for tag`,
        tag === DEFAULT_TAG && canonicalOf(webhooks, DEFAULT_TAG).length > 0
          ? "the revision without a name is it: 'lateen tag set default --revision REVISION' moves it"
          : "'lateen tag list' shows those that are there",
      );
    const namespaces = namespacesOfTag(await all(client, "Namespace"), tag);
    if (namespaces.length > 0 && !booleanFlag(call, "skip-confirmation")) {
      const caution =
        `Caution, found ${namespaces.length} namespace(s) still injected by tag "${tag}": ` +
        `${namespaces.join(" ")}\nProceed with operation? [y/N]`;
      if (!(await confirmed(caution, ctx.stdout))) {
        ctx.stdout.write("Aborting operation.\n");
        return 0;
      }
    }
    for (const each of own) {
      const { name } = nameOf(each);
      const answer = await client.delete(resourceOf("MutatingWebhookConfiguration"), "", name);
      if (!answer.ok && answer.status.code !== 404)
        throw new UserError(
          `failed to delete Istio revision tag MutatingConfigurationWebhook: ${answer.status.message}`,
        );
    }
    ctx.stdout.write(`Revision tag ${tag} removed\n`);
    if (tag === DEFAULT_TAG)
      ctx.stderr.write(
        "Warning: nobody serves namespaces with istio-injection=enabled now: " +
          "'lateen tag set default --revision REVISION'\n",
      );
    return 0;
  },
};

export const tagCommand: Command = {
  name: "tag",
  summary: "Commands for revision tags: names that lead to a control plane",
  description:
    "Namespaces labelled istio.io/rev=TAG get their sidecars from the revision that the tag leads to. A\n" +
    "tag that is set anew moves all of them, when their pods restart, without a change of labels.",
  subcommands: [setCommand, generateCommand, listCommand, removeCommand],
};

type Asked = Omit<Parameters<typeof planTag>[1], "generate">;

/** Throws a `UserError` in istioctl's words. */
function question(args: readonly string[], flags: Readonly<Record<string, unknown>>): Asked {
  const text = (name: string): string | undefined => {
    const value = flags[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const tag = onlyTag(args, "must provide a tag for modification", "creation");
  const revision = text("revision");
  if (revision === undefined) throw new UserError('required flag(s) "revision" not set');
  return {
    tag,
    revision,
    webhookName: text("webhook-name"),
    overwrite: flags["overwrite"] === true,
    autoInjectNamespaces: flags["auto-inject-namespaces"] === true,
    namespace: text("istioNamespace"),
  };
}

function onlyTag(args: readonly string[], missing: string, purpose: string): string {
  const [tag, ...more] = args;
  if (tag === undefined) throw new UserError(missing);
  if (more.length > 0) throw new UserError(`must provide a single tag for ${purpose}`);
  return tag;
}

/** Where `-i` was given, those that lead there. */
async function injectors(client: ApiClient, call: Invocation): Promise<readonly JsonObject[]> {
  const webhooks = await all(client, "MutatingWebhookConfiguration");
  return leadingTo(webhooks, stringFlag(call, "istioNamespace"));
}

async function plan(
  client: ApiClient,
  request: Parameters<typeof planTag>[1],
): Promise<PlannedTag & { ok: true }> {
  const webhooks = await all(client, "MutatingWebhookConfiguration");
  const parts = { tagWebhook: revisionTagWebhook, defaultValidator };
  const planned = planTag(webhooks, request, parts);
  if (!planned.ok) throw new UserError(planned.message);
  return planned;
}

async function conflictOf(
  client: ApiClient,
  { objects, deactivated }: PlannedTag & { ok: true },
): Promise<string | undefined> {
  const [injector] = objects;
  if (injector === undefined) return undefined;
  const off = deactivated === undefined ? undefined : nameOf(deactivated).name;
  const others = (await all(client, "MutatingWebhookConfiguration")).filter(
    each => nameOf(each).name !== off,
  );
  const found = overlaps(injector, others);
  if (found.length === 0) return undefined;
  return (
    "creating tag would conflict, pass --skip-confirmation to proceed:\n" +
    `Error [IST0139] (MutatingWebhookConfiguration ${nameOf(injector).name}) Webhook overlaps with ` +
    `others: [${found.join(" ")}]. This may cause injection to occur twice.\n`
  );
}

async function all(client: ApiClient, kind: string): Promise<readonly JsonObject[]> {
  const list = await client.list(resourceOf(kind));
  if (list.ok) return list.value.items;
  throw new UserError(`failed to retrieve ${resourceOf(kind).plural}: ${list.status.message}`);
}

async function print(
  ctx: CliContext,
  tags: readonly TagDescription[],
  format: string,
): Promise<void> {
  if (format === "json") ctx.stdout.write(`${JSON.stringify(tags, undefined, "\t")}\n`);
  else if (format === "yaml") ctx.stdout.write(`${await renderObject(tags, "yaml")}\n`);
  else {
    const rows = tags.map(({ tag, revision, namespaces }) => [tag, revision, namespaces.join(",")]);
    ctx.stdout.write(renderTable([["TAG", "REVISION", "NAMESPACES"], ...rows], { padding: 1 }));
  }
}
