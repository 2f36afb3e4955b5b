/**
 * What the control plane finds wrong with objects that were applied: references to what is not there,
 * conflicts, rejections by proxies. It says so in their statuses, a moment after it has seen all of them
 * (docs/decisions/findings-at-apply.md).
 */

import type { Json } from "../../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../sources/json.ts";
import type { CliContext, MeshAccess } from "../context.ts";
import { displayName, type Resource, resourcePath } from "../objects/discover.ts";

export interface Applied {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  /** It was there already, as it is. */
  readonly unchanged: boolean;
  /** What has been said of it when it was written. */
  readonly warned: readonly string[];
}

/** Until all that was applied has been looked at as one, and statuses are written. */
const PAUSE_MS = 800;
/** For a status that still speaks of an older generation. */
const LOOK_AGAIN_MS = 400;
const LOOKS = 4;
const MAX_OBJECTS = 500;

/** Condition types of ours that say that something is wrong, by the status that does. */
const WRONG: ReadonlyMap<string, string> = new Map([
  ["Accepted", "False"],
  ["PassedAnalysis", "False"],
  ["Reconciled", "False"],
  ["DisputedByProxies", "True"],
]);

interface Seen {
  /** undefined: an older state of the object is what the status is about. */
  readonly problems: readonly string[] | undefined;
}

export async function tellFindings(
  ctx: CliContext,
  mesh: MeshAccess,
  applied: readonly Applied[],
): Promise<void> {
  const asked = applied.filter(({ resource }) => hasFindings(resource));
  const some = asked.slice(0, MAX_OBJECTS);
  if (some.length === 0) return;
  if (some.some(each => !each.unchanged)) await ctx.pause(PAUSE_MS);
  const found = new Map<Applied, Seen>();
  for (let looks = 0; looks < LOOKS; looks++) {
    const stale = some.filter(each => found.get(each)?.problems === undefined);
    if (stale.length === 0) break;
    if (looks > 0) await ctx.pause(LOOK_AGAIN_MS);
    for (const each of stale) found.set(each, await look(mesh, each));
  }
  for (const each of some) {
    const name = displayName(each.resource, each.name);
    for (const problem of found.get(each)?.problems ?? [])
      ctx.stderr.write(`Warning: ${name}: ${problem}\n`);
  }
  if (asked.length > some.length)
    ctx.stderr.write(`Warning: the statuses of ${asked.length - some.length} more were not read\n`);
}

/** Kinds that the control plane writes conditions for. */
function hasFindings({ group }: Resource): boolean {
  return group.endsWith(".istio.io") || group === "networking.k8s.io";
}

async function look(
  mesh: MeshAccess,
  { resource, namespace, name, warned }: Applied,
): Promise<Seen> {
  const answer = await mesh.api({ method: "GET", path: resourcePath(resource, namespace, name) });
  const body = answer.body as Json;
  // Gone, or nobody may read it: there is nothing to say.
  if (answer.status !== 200 || !isObject(body)) return { problems: [] };
  const { generation } = objectAt(body, "metadata");
  const conditions = arrayAt(objectAt(body, "status"), "conditions")
    .filter(isObject)
    .filter(each => WRONG.has(stringAt(each, "type")));
  const isOld = conditions.some(({ observedGeneration }) => {
    const known = typeof observedGeneration === "number" && typeof generation === "number";
    return known && observedGeneration < generation;
  });
  if (isOld) return { problems: undefined };
  return {
    problems: conditions.flatMap(each => {
      if (WRONG.get(stringAt(each, "type")) !== stringAt(each, "status")) return [];
      const text = without(stringAt(each, "message"), warned);
      return text === "" ? [] : [text];
    }),
  };
}

/** The message without its count and without what has been said already. */
function without(message: string, warned: readonly string[]): string {
  let text = message.replace(/^\d+ (error|warning)s?( and \d+ warnings?)? found: /, "");
  for (const each of warned) text = text.replace(each, "");
  return text
    .replace(/(; )+/g, "; ")
    .replace(/^; |; $/g, "")
    .trim();
}
