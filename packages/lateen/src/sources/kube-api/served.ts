/** Which resources are served under which paths, and by whom they are read. */
import type { Kind } from "../../api/kind.ts";
import type { ApiResult } from "../status.ts";
import type { ListOptions, ListPage } from "../store/listing.ts";
import type { StoredObject } from "../store/stored.ts";
import type { WatchEvent, WatchOptions } from "../store/watch.ts";

/** A watch as the HTTP face needs it. */
export interface WatchReader {
  readonly pastInitial: boolean;
  readonly position: number;
  take(max: number): ApiResult<readonly WatchEvent[]>;
  close(): void;
}

/** The store, or something derived from it that can only be read. */
export interface Reader {
  get(kind: Kind, namespace: string, name: string): ApiResult<StoredObject>;
  list(kind: Kind, options: ListOptions): ApiResult<ListPage>;
  watch(kind: Kind, options: WatchOptions): ApiResult<WatchReader>;
}

export interface Served {
  readonly kind: Kind;
  readonly reader: Reader;
  /** Derived resources have no writing verbs. */
  readonly writable: boolean;
}

export const READ_VERBS: readonly string[] = ["get", "list", "watch"];
export const WRITE_VERBS: readonly string[] = [
  "create",
  "delete",
  "deletecollection",
  "patch",
  "update",
];

export class ServedResources {
  readonly all: readonly Served[];

  constructor(all: readonly Served[]) {
    this.all = all;
  }

  find(group: string, version: string, plural: string): Served | undefined {
    return this.all.find(
      ({ kind }) =>
        kind.group === group && kind.plural === plural && kind.versions.includes(version),
    );
  }

  /** Groups with their versions, preferred first; the core group has the name "". */
  groups(): Map<string, readonly string[]> {
    const groups = new Map<string, readonly string[]>();
    for (const { kind } of this.all) {
      const versions = groups.get(kind.group) ?? [];
      const more = kind.versions.filter(version => !versions.includes(version));
      groups.set(kind.group, [...versions, ...more]);
    }
    return groups;
  }

  inGroupVersion(group: string, version: string): Served[] {
    return this.all.filter(({ kind }) => kind.group === group && kind.versions.includes(version));
  }
}
