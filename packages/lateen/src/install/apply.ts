/** Server-side apply of an installation's objects (kubernetes.io, "Server-Side Apply"). */
import type { JsonObject } from "../api/kind.ts";
import { type ApiClient, resourcePath, withQuery } from "../sources/client/api-client.ts";
import { arrayAt, isObject, objectAt, stringAt, valueAt } from "../sources/json.ts";
import type { Status } from "../sources/status.ts";
import { describeName, nameOf, resourceOf } from "./objects.ts";
import { isOurs, isShared } from "./ownership.ts";
import { parsePath, setAt } from "./path.ts";
import { withWebhooks } from "./webhook-edits.ts";

export const FIELD_MANAGER = "lateen-install";

export interface ApplyOptions {
  readonly dryRun: boolean;
  /** Takes over fields that somebody else has set. */
  readonly force: boolean;
  /** Paths of fields where somebody else's value stays, with a warning: `spec.type`. */
  readonly yields?: readonly string[];
}

export type Applied =
  | { readonly ok: true; readonly kept: boolean; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly message: string; readonly hint?: string };

/** `kept`: the object is another installation's, and was left as it is. */
export async function applyObject(
  client: ApiClient,
  object: JsonObject,
  options: ApplyOptions,
): Promise<Applied> {
  const { kind, namespace, name } = nameOf(object);
  const path = resourcePath(resourceOf(kind), namespace, name);
  let wanted = object;
  if (NEEDS_A_LOOK.has(kind) || isShared(object)) {
    const live = await client.send("GET", path);
    if (live.ok && isShared(object) && (kind === "Namespace" || !isOurs(live.value)))
      return { ok: true, kept: true, warnings: [] };
    if (live.ok) wanted = withLiveParts(object, live.value);
  }
  const query = {
    fieldManager: FIELD_MANAGER,
    force: options.force ? true : undefined,
    dryRun: options.dryRun ? "All" : undefined,
  };
  const send = (body: JsonObject) => {
    const contentType = "application/apply-patch+yaml";
    return client.send("PATCH", withQuery(path, query), { body, contentType });
  };
  const answer = await send(wanted);
  const others = answer.ok ? [] : othersFields(answer.status, options.yields ?? []);
  if (others.length > 0) {
    const without = others.reduce((sum, { field }) => withoutField(sum, field), wanted);
    const again = await send(without);
    if (!again.ok) return refusal(object, again.status);
    const said = others.map(each => stays(again.value, each));
    return { ok: true, kept: false, warnings: [...again.warnings, ...said] };
  }
  if (answer.ok) return { ok: true, kept: false, warnings: answer.warnings };
  // What is in a namespace that a dry run would only have made can not be tried.
  const missing = answer.status.code === 404 && options.dryRun;
  if (missing) return { ok: true, kept: false, warnings: [] };
  return refusal(object, answer.status);
}

interface OthersField {
  readonly field: string;
  /** `conflict with "kubectl-edit" using v1`. */
  readonly message: string;
}

/** All fields in conflict, where they are such as yield; none: it is another refusal. */
function othersFields(status: Status, yields: readonly string[]): readonly OthersField[] {
  const causes = (status.details?.causes ?? []).map(({ field = "", message = "" }) => ({
    field: field.replace(/^\./, ""),
    message,
  }));
  return status.code === 409 && causes.every(each => yields.includes(each.field)) ? causes : [];
}

function withoutField(object: JsonObject, field: string): JsonObject {
  return setAt(object, parsePath(field) ?? [], undefined);
}

function stays(object: JsonObject, { field, message }: OthersField): string {
  const value = String(valueAt(object, field));
  return `${field} stays ${value}, which somebody else has set (${message}); --force takes it over`;
}

const NEEDS_A_LOOK: ReadonlySet<string> = new Set([
  "CustomResourceDefinition",
  "Namespace",
  "ValidatingWebhookConfiguration",
  "MutatingWebhookConfiguration",
]);

/**
 * The control plane puts its root in, and closes the validator once it works: applying again must not
 * open it, nor take away for a moment the root that an earlier apply has brought (a tag's).
 */
function withLiveParts(object: JsonObject, live: JsonObject): JsonObject {
  const kind = stringAt(object, "kind");
  if (!kind.endsWith("WebhookConfiguration")) return object;
  const keepsPolicy = kind === "ValidatingWebhookConfiguration";
  const before = new Map(
    arrayAt(live, "webhooks")
      .filter(isObject)
      .map(each => [each["name"], each]),
  );
  return withWebhooks(object, each => {
    const known = before.get(each["name"]) ?? {};
    const { caBundle } = objectAt(known, "clientConfig");
    const { failurePolicy } = known;
    return {
      ...each,
      ...(keepsPolicy && failurePolicy !== undefined ? { failurePolicy } : {}),
      clientConfig: {
        ...(caBundle === undefined ? {} : { caBundle }),
        ...objectAt(each, "clientConfig"),
      },
    };
  });
}

function refusal(object: JsonObject, status: Status): Applied {
  const name = describeName(nameOf(object));
  if (status.reason !== "Conflict" && status.code !== 409)
    return { ok: false, message: `${name}: ${status.message ?? `status ${status.code}`}` };
  const causes = status.details?.causes ?? [];
  const fields = causes.map(({ field, message }) => `${field} (${message})`);
  const what = fields.length === 0 ? (status.message ?? "") : fields.join(", ");
  return {
    ok: false,
    message: `${name}: somebody else has set fields that this installation sets differently: ${what}`,
    hint: "say the same with --set or -f, or take them over with --force",
  };
}
