/**
 * Client-side apply: what to change in the live object so that it says what the file says, and no
 * longer says what only the last applied file said. The result is a JSON merge patch (RFC 7386).
 */
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
    if (isFields(value) && isFields(present)) {
      const before = last[key];
      const inner = diff(isFields(before) ? before : {}, value, present);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (!same(value, present)) {
      patch[key] = value;
    }
  }
  for (const key of Object.keys(last)) {
    if (!Object.hasOwn(wanted, key) && Object.hasOwn(live, key)) patch[key] = null;
  }
  return patch;
}

/** A list is changed when the file's items are not all in the live one: defaults may have been added. */
function same(wanted: Value, live: Value): boolean {
  if (Array.isArray(wanted) && Array.isArray(live)) {
    return wanted.length === live.length && wanted.every((item, i) => contains(item, live[i]));
  }
  return contains(wanted, live);
}

function contains(wanted: Value, live: Value): boolean {
  if (Array.isArray(wanted)) return Array.isArray(live) && same(wanted, live);
  if (isFields(wanted)) {
    return (
      isFields(live) && Object.entries(wanted).every(([key, value]) => contains(value, live[key]))
    );
  }
  return Object.is(wanted, live) || String(wanted) === String(live);
}

function isFields(value: Value): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
