/**
 * Client-side apply: what to change in the live object so that it says what the file says, and no
 * longer says what only the last applied file said. The result is a JSON merge patch (RFC 7386).
 */
import { isDeepStrictEqual } from "node:util";

export const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

type Value = unknown;
type Fields = Readonly<Record<string, Value>>;
type Says = (wanted: Value, live: Value) => boolean;

/**
 * undefined: nothing to change. `defaulted`: the server may have added defaults to the items of lists,
 * as it does for Kubernetes' own kinds; else what somebody added there is taken away again.
 */
export function threeWayPatch(
  last: Value,
  wanted: Value,
  live: Value,
  { defaulted }: { readonly defaulted: boolean },
): Fields | undefined {
  const patch = diff(
    isFields(last) ? last : {},
    isFields(wanted) ? wanted : {},
    isFields(live) ? live : {},
    defaulted ? contains : isDeepStrictEqual,
  );
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function diff(last: Fields, wanted: Fields, live: Fields, listSays: Says): Fields {
  const patch: Record<string, Value> = {};
  for (const [key, value] of Object.entries(wanted)) {
    const present = live[key];
    const before = last[key];
    if (isFields(value) && isFields(present)) {
      const inner = diff(isFields(before) ? before : {}, value, present, listSays);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (Array.isArray(value)) {
      // A merge patch replaces whole lists: what the file no longer says inside one goes only so.
      const asBefore = before === undefined || isDeepStrictEqual(before, value);
      if (!asBefore || !listSays(value, present)) patch[key] = value;
    } else if (!contains(value, present)) {
      patch[key] = value;
    }
  }
  for (const key of Object.keys(last)) {
    if (!Object.hasOwn(wanted, key) && Object.hasOwn(live, key)) patch[key] = null;
  }
  return patch;
}

/**
 * Whether the live value says what the file says, and perhaps more: inside the items of a list
 * defaults may have been added.
 */
function contains(wanted: Value, live: Value): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(live) &&
      wanted.length === live.length &&
      wanted.every((item, i) => contains(item, live[i]))
    );
  }
  if (isFields(wanted)) {
    return (
      isFields(live) && Object.entries(wanted).every(([key, value]) => contains(value, live[key]))
    );
  }
  return Object.is(wanted, live) || (wanted === null && live === undefined);
}

function isFields(value: Value): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
