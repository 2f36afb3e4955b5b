/** Taking away what was installed. */
import type { JsonObject } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import type { InstalledObject } from "./installed.ts";
import { describeName, type ObjectName, resourceOf } from "./objects.ts";

export interface RemoveOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly onRemoved: (name: ObjectName) => void;
}

const POLL_MS = 200;
/** Longer than the grace periods that gateways with long requests have. */
const GONE_MS = 300_000;

/** In the order given; resolves to what could not be removed, when the rest is really gone. */
export async function removeObjects(
  objects: readonly InstalledObject[],
  options: RemoveOptions,
): Promise<readonly string[]> {
  const { client, onRemoved } = options;
  const failures: string[] = [];
  const removed: InstalledObject[] = [];
  for (const each of objects) {
    const { kind, namespace, name } = each;
    const uid = stringAt(objectAt(each.object, "metadata"), "uid");
    const answer = await client.delete(resourceOf(kind), namespace, name, {
      ...(uid === "" ? {} : { uid }),
      propagationPolicy: "Foreground",
    });
    if (!answer.ok && answer.status.code !== 404) {
      failures.push(`${describeName(each)}: ${answer.status.message ?? answer.status.code}`);
      continue;
    }
    onRemoved(each);
    removed.push(each);
  }
  const still = await untilGone(removed, options);
  failures.push(...still.map(each => `${describeName(each)}: is being deleted, but still there`));
  return failures;
}

async function untilGone(
  objects: readonly InstalledObject[],
  { client, clock }: RemoveOptions,
): Promise<readonly InstalledObject[]> {
  const end = clock.monotonic() + GONE_MS;
  let left = objects;
  for (;;) {
    const there: InstalledObject[] = [];
    for (const each of left) {
      const live = await client.get(resourceOf(each.kind), each.namespace, each.name);
      if (live.ok && isSame(live.value, each.object)) there.push(each);
    }
    left = there;
    if (left.length === 0 || clock.monotonic() >= end) return left;
    await new Promise<void>(done => clock.after(POLL_MS, done));
  }
}

function isSame(a: JsonObject, b: JsonObject): boolean {
  return objectAt(a, "metadata")["uid"] === objectAt(b, "metadata")["uid"];
}
