/** Lists in pages, each page of the same moment even while objects change. */
import type { Kind } from "../../api/kind.ts";
import { type ApiResult, badRequest, expired, failed, succeeded } from "../status.ts";
import type { History } from "./history.ts";
import { type ObjectTables, rowKey } from "./object-tables.ts";
import { type Selection, selects } from "./selectors.ts";
import { resourceId, type StoredObject } from "./stored.ts";

export interface ListOptions {
  /** undefined: all namespaces. */
  readonly namespace: string | undefined;
  readonly selection: Selection;
  /** 0 or undefined: everything. */
  readonly limit?: number;
  /** Token of the page before. */
  readonly continue?: string;
  readonly resourceVersion?: string;
  /** `Exact`: the list as it was at resourceVersion. */
  readonly resourceVersionMatch?: string;
}

export interface ListPage {
  readonly items: readonly StoredObject[];
  /** What a watch that follows this list starts from. */
  readonly revision: number;
  readonly continue: string | undefined;
  readonly remaining: number | undefined;
}

interface Start {
  readonly revision: number;
  /** Only keys after this one. */
  readonly after: string;
}

export function listPage(
  kind: Kind,
  tables: ObjectTables,
  history: History,
  now: number,
  options: ListOptions,
): ApiResult<ListPage> {
  const start = startOf(options, now);
  if (!start.ok) return start;
  const { revision, after } = start.value;
  const resource = resourceId(kind);
  if (!history.covers(resource, revision) && revision !== now)
    return expired(
      "The provided continue parameter is too old to display a consistent list result. " +
        "You can start a new list without the continue parameter.",
    );
  const snapshot = snapshotAt(resource, tables, history, revision, now);
  const prefix = options.namespace === undefined ? "" : `${options.namespace}/`;
  const limit = options.limit ?? 0;
  const items: StoredObject[] = [];
  let matched = 0;
  let last = "";
  for (const key of snapshot.keys) {
    if (key <= after || !key.startsWith(prefix)) continue;
    const object = snapshot.at(key);
    if (object === undefined || !selects(options.selection, object.json)) continue;
    matched++;
    if (limit > 0 && items.length >= limit) continue;
    items.push(object);
    last = key;
  }
  const remaining = matched - items.length;
  const more = remaining > 0;
  return succeeded({
    items,
    revision,
    continue: more ? encodeToken({ revision, after: last }) : undefined,
    remaining: more ? remaining : undefined,
  });
}

function startOf(options: ListOptions, now: number): ApiResult<Start> {
  if (options.continue !== undefined && options.continue !== "") {
    const start = decodeToken(options.continue);
    if (start === undefined || start.revision > now)
      return badRequest("continue key is not valid: start a new list without it");
    return succeeded(start);
  }
  const asked = options.resourceVersion ?? "";
  const revision = parseRevision(asked);
  if (revision === undefined)
    return badRequest(
      `resourceVersion: Invalid value: ${JSON.stringify(asked)}: expected a number`,
    );
  if (revision > now)
    return failed(504, "Timeout", `Too large resource version: ${revision}, current: ${now}`, {
      causes: [
        { reason: "ResourceVersionTooLarge", message: "Too large resource version", field: "" },
      ],
      retryAfterSeconds: 1,
    });
  const exact = options.resourceVersionMatch === "Exact" && revision > 0;
  return succeeded({ revision: exact ? revision : now, after: "" });
}

/** "" counts as 0; undefined where it is no revision. */
export function parseRevision(text: string): number | undefined {
  if (text === "") return 0;
  const revision = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(revision) ? revision : undefined;
}

function encodeToken(start: Start): string {
  return Buffer.from(JSON.stringify([start.revision, start.after])).toString("base64url");
}

function decodeToken(token: string): Start | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (!Array.isArray(value)) return undefined;
    const [revision, after]: unknown[] = value;
    if (typeof revision !== "number" || typeof after !== "string") return undefined;
    return { revision, after };
  } catch {
    return undefined;
  }
}

interface Snapshot {
  readonly keys: readonly string[];
  at(key: string): StoredObject | undefined;
}

/** The resource as it was at `revision`: the present, with what happened since taken back. */
function snapshotAt(
  resource: string,
  tables: ObjectTables,
  history: History,
  revision: number,
  now: number,
): Snapshot {
  const present = { keys: tables.keys(resource), at: (key: string) => tables.at(resource, key) };
  if (revision === now) return present;
  const before = new Map<string, StoredObject | undefined>();
  for (const event of history.since(resource, revision).toReversed())
    before.set(rowKey(event.object.namespace, event.object.name), event.previous);
  if (before.size === 0) return present;
  const keys = [...new Set([...present.keys, ...before.keys()])].sort();
  return { keys, at: key => (before.has(key) ? before.get(key) : present.at(key)) };
}
