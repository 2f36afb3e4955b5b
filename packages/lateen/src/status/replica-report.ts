/** The form of what replicas of a control plane tell one another; bounded when written and when read. */
import type { JsonObject } from "../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { plainText } from "./evidence.ts";
import { MAX_NAMESPACES, type Rejection } from "./object-report.ts";

export interface ReplicaReport {
  /** What proxies of this replica reject, by `objectName`. */
  readonly rejections: ReadonlyMap<string, readonly Rejection[]>;
  /** Why proxies that this replica knows wait, by `namespace/name` of their Pods. */
  readonly waiting: ReadonlyMap<string, string>;
}

export const EMPTY_REPORT: ReplicaReport = { rejections: new Map(), waiting: new Map() };

/** Together well below the megabyte that a ConfigMap may have, unless texts are of rare characters. */
const MAX_OBJECTS = 100;
const MAX_REJECTIONS = 3;
const MAX_WAITING = 200;
const MAX_CHARS = 600;
const MAX_PROXIES = 1_000_000;
const MAX_TEXT = 1 << 20;
const MAX_BYTES = 900_000;

/** "" where there is nothing to say. */
export function encodeReport(report: ReplicaReport): string {
  if (report.rejections.size + report.waiting.size === 0) return "";
  for (let share = 1; ; share /= 2) {
    const text = encodeShare(report, share);
    if (Buffer.byteLength(text) <= MAX_BYTES) return text;
  }
}

/** `share`: of what a report may hold; nothing of it below a hundredth. */
function encodeShare({ rejections, waiting }: ReplicaReport, share: number): string {
  const first = [...rejections].sort(byKey).slice(0, MAX_OBJECTS * share);
  return JSON.stringify({
    rejections: Object.fromEntries(
      first.map(([key, all]) => [key, all.slice(0, MAX_REJECTIONS).map(cut)]),
    ),
    waiting: Object.fromEntries(
      [...waiting]
        .sort(byKey)
        .slice(0, MAX_WAITING * share)
        .map(([pod, why]) => [pod, short(why)]),
    ),
  });
}

/** What can not be read counts as not said. */
export function decodeReport(text: string): ReplicaReport {
  const value = parse(text);
  const rejections = Object.entries(objectAt(value, "rejections")).slice(0, MAX_OBJECTS);
  const waiting = Object.entries(objectAt(value, "waiting")).slice(0, MAX_WAITING);
  return {
    rejections: new Map(
      rejections.map(([key]) => [key, rejectionsAt(objectAt(value, "rejections"), key)]),
    ),
    waiting: new Map(
      waiting.flatMap(([pod, why]) =>
        typeof why === "string" ? [[pod, short(why)] as const] : [],
      ),
    ),
  };
}

function rejectionsAt(object: JsonObject, key: string): readonly Rejection[] {
  const all = arrayAt(object, key).filter(isObject).slice(0, MAX_REJECTIONS);
  return all.map(each => {
    const { proxies } = each;
    const isCount = typeof proxies === "number" && Number.isSafeInteger(proxies) && proxies > 0;
    return cut({
      type: stringAt(each, "type"),
      resource: stringAt(each, "resource"),
      message: stringAt(each, "message"),
      proxies: isCount ? Math.min(proxies, MAX_PROXIES) : 1,
      proxy: stringAt(each, "proxy"),
      namespaces: arrayAt(each, "namespaces").filter(name => typeof name === "string"),
    });
  });
}

function cut({ type, resource, message, proxies, proxy, namespaces }: Rejection): Rejection {
  return {
    type: short(type),
    resource: short(resource),
    message: short(message),
    proxies,
    proxy: short(proxy),
    namespaces: namespaces.slice(0, MAX_NAMESPACES).map(short),
  };
}

/** Plain when it is written and when it is read: both sides may be of another version, or somebody else. */
function short(text: string): string {
  return plainText(text, MAX_CHARS);
}

function parse(text: string): JsonObject {
  if (text.length > MAX_TEXT) return {};
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
