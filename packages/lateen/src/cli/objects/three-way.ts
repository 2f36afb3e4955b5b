/**
 * Client-side apply: what to change in the live object so that it says what the file says, and no
 * longer says what only the last applied file said. The result is a JSON merge patch (RFC 7386).
 */
import { isDeepStrictEqual } from "node:util";

export const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

type Value = unknown;
type Fields = Readonly<Record<string, Value>>;

/** undefined: nothing to change. */
export function threeWayPatch(last: Value, wanted: Value, live: Value): Fields | undefined {
  const patch = diff(
    isFields(last) ? last : {},
    isFields(wanted) ? wanted : {},
    isFields(live) ? live : {},
  );
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function diff(last: Fields, wanted: Fields, live: Fields): Fields {
  const patch: Record<string, Value> = {};
  for (const [key, value] of Object.entries(wanted)) {
    const present = live[key];
    const before = last[key];
    if (isFields(value) && isFields(present)) {
      const inner = diff(isFields(before) ? before : {}, value, present);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (!contains(value, present) || !isWhatItWas(before, value)) {
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

/** A merge patch replaces whole lists: what the file no longer says inside one goes only so. */
function isWhatItWas(before: Value, wanted: Value): boolean {
  return !Array.isArray(wanted) || before === undefined || isDeepStrictEqual(before, wanted);
}

function isFields(value: Value): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
