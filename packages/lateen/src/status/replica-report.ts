/** The form of what replicas of a control plane tell one another; bounded when written and when read. */
import type { JsonObject } from "../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import type { Rejection } from "./object-report.ts";

export interface ReplicaReport {
  /** What proxies of this replica reject, by `objectName`. */
  readonly rejections: ReadonlyMap<string, readonly Rejection[]>;
  /** Why proxies that this replica knows wait, by `namespace/name` of their Pods. */
  readonly waiting: ReadonlyMap<string, string>;
}

export const EMPTY_REPORT: ReplicaReport = { rejections: new Map(), waiting: new Map() };

/** Together well below the megabyte that a ConfigMap may have. */
const MAX_OBJECTS = 100;
const MAX_REJECTIONS = 3;
const MAX_WAITING = 200;
const MAX_CHARS = 600;
const MAX_TEXT = 1 << 20;

/** "" where there is nothing to say. */
export function encodeReport({ rejections, waiting }: ReplicaReport): string {
  if (rejections.size + waiting.size === 0) return "";
  const first = [...rejections].sort(byKey).slice(0, MAX_OBJECTS);
  return JSON.stringify({
    rejections: Object.fromEntries(
      first.map(([key, all]) => [key, all.slice(0, MAX_REJECTIONS).map(cut)]),
    ),
    waiting: Object.fromEntries(
      [...waiting]
        .sort(byKey)
        .slice(0, MAX_WAITING)
        .map(([pod, why]) => [pod, why.slice(0, MAX_CHARS)]),
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
      waiting.flatMap(([pod, why]) => (typeof why === "string" ? [[pod, why] as const] : [])),
    ),
  };
}

function rejectionsAt(object: JsonObject, key: string): readonly Rejection[] {
  const all = arrayAt(object, key).filter(isObject).slice(0, MAX_REJECTIONS);
  return all.map(each => {
    const { proxies } = each;
    return cut({
      type: stringAt(each, "type"),
      resource: stringAt(each, "resource"),
      message: stringAt(each, "message"),
      proxies: typeof proxies === "number" ? proxies : 1,
    });
  });
}

function cut({ type, resource, message, proxies }: Rejection): Rejection {
  const short = (text: string): string => text.slice(0, MAX_CHARS);
  return { type: short(type), resource: short(resource), message: short(message), proxies };
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
