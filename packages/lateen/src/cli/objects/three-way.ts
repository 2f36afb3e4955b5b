/**
 * Client-side apply: what to change in the live object so that it says what the file says, and no
 * longer says what only the last applied file said. The result is a JSON merge patch (RFC 7386).
 */
import { isDeepStrictEqual } from "node:util";

export const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

type Value = unknown;
type Fields = Readonly<Record<string, Value>>;

/** Kubernetes' own lists that are merged item by item, and the fields that tell their items apart. */
const MERGED_BY: Readonly<Record<string, readonly string[]>> = {
  containers: ["name"],
  env: ["name"],
  ephemeralContainers: ["name"],
  hostAliases: ["ip"],
  imagePullSecrets: ["name"],
  initContainers: ["name"],
  ports: ["containerPort", "port", "protocol"],
  secrets: ["name"],
  volumeDevices: ["devicePath"],
  volumeMounts: ["mountPath"],
  volumes: ["name"],
};

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
    defaulted,
  );
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function diff(last: Fields, wanted: Fields, live: Fields, defaulted: boolean): Fields {
  const patch: Record<string, Value> = {};
  for (const [key, value] of Object.entries(wanted)) {
    const present = live[key];
    const before = last[key];
    if (isFields(value) && isFields(present)) {
      const inner = diff(isFields(before) ? before : {}, value, present, defaulted);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (defaulted && Array.isArray(value) && isKeyed(key, value, present)) {
      const merged = mergeItems(key, listOf(before), value, listOf(present));
      if (!isDeepStrictEqual(merged, present)) patch[key] = merged;
    } else if (Array.isArray(value)) {
      // A merge patch replaces whole lists: what the file no longer says inside one goes only so.
      const asBefore = before === undefined || isDeepStrictEqual(before, value);
      const says = defaulted ? contains(value, present) : isDeepStrictEqual(value, present);
      if (!asBefore || !says) patch[key] = value;
    } else if (!contains(value, present)) {
      patch[key] = value;
    }
  }
  for (const key of Object.keys(last)) {
    if (!Object.hasOwn(wanted, key) && Object.hasOwn(live, key)) patch[key] = null;
  }
  return patch;
}

function listOf(value: Value): readonly Value[] {
  return Array.isArray(value) ? value : [];
}

/** Whether both lists can be merged: each item says who it is, and no two say the same. */
function isKeyed(key: string, wanted: readonly Value[], present: Value): boolean {
  if (!Object.hasOwn(MERGED_BY, key) || !Array.isArray(present)) return false;
  return [wanted, present].every(list => {
    const names = list.map(item => nameOf(key, item));
    return !names.includes(undefined) && new Set(names).size === names.length;
  });
}

/** What the server fills in is the protocol, which ports need not say. */
function nameOf(key: string, item: Value): string | undefined {
  if (!isFields(item)) return undefined;
  const parts = (MERGED_BY[key] ?? []).flatMap(name => {
    const value = item[name] ?? (name === "protocol" ? "TCP" : undefined);
    return value === undefined ? [] : [`${name}=${String(value)}`];
  });
  const own = parts.filter(part => part !== "protocol=TCP");
  return own.length === 0 ? undefined : parts.join();
}

/**
 * The live list as the file has its items: what somebody added stays, as a sidecar does that was
 * injected; what only the last file said goes.
 */
function mergeItems(
  key: string,
  last: readonly Value[],
  wanted: readonly Value[],
  present: readonly Value[],
): readonly Value[] {
  const byName = (list: readonly Value[]) => new Map(list.map(item => [nameOf(key, item), item]));
  const [lastItems, wantedItems] = [byName(last), byName(wanted)];
  const kept = [...byName(present)].flatMap(([name, item]): Value[] => {
    const said = wantedItems.get(name);
    if (said === undefined) return lastItems.has(name) ? [] : [item];
    const before = lastItems.get(name);
    if (!isFields(said) || !isFields(item)) return [said];
    return [patched(item, diff(isFields(before) ? before : {}, said, item, true))];
  });
  const known = byName(present);
  return [...kept, ...wanted.filter(item => !known.has(nameOf(key, item)))];
}

/** RFC 7386, of what `diff` makes. */
function patched(value: Fields, patch: Fields): Fields {
  const result: Record<string, Value> = { ...value };
  for (const [key, change] of Object.entries(patch)) {
    const present = result[key];
    if (change === null) delete result[key];
    else if (isFields(change)) result[key] = patched(isFields(present) ? present : {}, change);
    else result[key] = change;
  }
  return result;
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
