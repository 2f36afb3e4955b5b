/** `lateen label`: features row 31. */
import { own } from "../../base/own.ts";
import { booleanFlag, type Command, stringFlag, UserError } from "../command.ts";
import { apiError, displayName, Resources, resourcePath } from "../objects/discover.ts";

export const labelCommand: Command = {
  name: "label",
  summary: "Sets or removes labels of an object",
  positionals: [
    { name: "type", required: true, completes: "kind" },
    { name: "name", required: true, completes: "name" },
    { name: "key=value|key-", required: true, rest: true },
  ],
  flags: [
    { name: "overwrite", kind: "boolean", description: "Change labels that are set already" },
  ],
  examples: [
    "lateen label namespace default istio-injection=enabled",
    "lateen label namespace default istio-injection-",
  ],
  async run(ctx, call) {
    const [type = "", name = "", ...changes] = call.args;
    const mesh = await ctx.mesh();
    const resource = await new Resources(mesh).byWord(type);
    const path = resourcePath(resource, stringFlag(call, "namespace") ?? ctx.namespace, name);
    const live = await mesh.api({ method: "GET", path });
    if (live.status !== 200) throw apiError(live.body, live.status);
    const body = live.body as { metadata?: { labels?: Record<string, string> } };
    const present = body.metadata?.labels ?? {};
    const labels = parseChanges(changes, present, booleanFlag(call, "overwrite"));
    const differing = Object.entries(labels).filter(
      ([key, value]) => (own(present, key) ?? null) !== value,
    );
    for (const [key, value] of Object.entries(labels)) {
      if (value === null && own(present, key) === undefined)
        ctx.stdout.write(`label "${key}" not found.\n`);
    }
    if (differing.length === 0) {
      ctx.stdout.write(`${displayName(resource, name)} not labeled\n`);
      return 0;
    }
    const answer = await mesh.api({
      method: "PATCH",
      path,
      contentType: "application/merge-patch+json",
      body: { metadata: { labels: Object.fromEntries(differing) } },
    });
    if (answer.status !== 200) throw apiError(answer.body, answer.status);
    const verb = differing.every(([, value]) => value === null) ? "unlabeled" : "labeled";
    ctx.stdout.write(`${displayName(resource, name)} ${verb}\n`);
    return 0;
  },
};

/** Label -> value, or null to remove it. */
function parseChanges(
  changes: readonly string[],
  present: Readonly<Record<string, string>>,
  overwrite: boolean,
): Record<string, string | null> {
  const labels: Record<string, string | null> = {};
  for (const change of changes) {
    const equals = change.indexOf("=");
    if (equals > 0) {
      const key = change.slice(0, equals);
      const value = change.slice(equals + 1);
      const before = own(present, key);
      if (!overwrite && before !== undefined && before !== value) {
        throw new UserError(
          `label "${key}" is "${before}" already`,
          "add --overwrite to change it",
        );
      }
      labels[key] = value;
    } else if (change.endsWith("-")) {
      labels[change.slice(0, -1)] = null;
    } else {
      throw new UserError(`"${change}" is neither key=value nor key-`);
    }
  }
  return labels;
}
