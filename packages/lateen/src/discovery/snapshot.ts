import { createHash } from "node:crypto";
import type { WatchChanges, WatchSet } from "../flow/watch-types.ts";
import { SharedBodies } from "./shared-bodies.ts";
import { SharedRequests } from "./shared-requests.ts";
import type { Resource } from "./types.ts";

export type ResourceSet = WatchSet<Resource | undefined>;

/** Resources of one response. Lists that several streams send are the same object. */
export interface ResourceList {
  readonly resources: readonly Resource[];
  /** The shared lists that this one consists of; none where it is one itself. */
  readonly lists?: readonly ResourceList[];
}

/** All of a set as of one revision; made once and shared by the streams that hold the set. */
export interface Snapshot extends ResourceList {
  readonly revision: number;
  /** Names without a resource. */
  readonly missing: readonly string[];
  /** Bytes of all resources in the delta form (the other form is a little smaller). */
  readonly bytes: number;
}

/** What all streams of a server share. Sets must be settled when they are asked about. */
export class SnapshotCache {
  readonly requests = new SharedRequests();
  readonly bodies = new SharedBodies();
  readonly #snapshots = new WeakMap<ResourceSet, Snapshot>();
  /** By the list, which outlives revisions that do not change it. */
  readonly #digests = new WeakMap<readonly Resource[], string>();
  readonly #names = new WeakMap<ResourceSet, readonly string[]>();
  /** The last one that was put together: it is asked for a few times in a row. */
  #joined: { readonly parts: readonly Snapshot[]; readonly snapshot: Snapshot } | undefined;

  /**
   * One list for all streams that ask for these names. The set's own may lack some: it leaves out
   * those that can not be built.
   */
  sharedNames(set: ResourceSet, names: readonly string[]): readonly string[] {
    const shared = this.#names.get(set) ?? names;
    this.#names.set(set, shared);
    return shared;
  }

  of(set: ResourceSet): Snapshot {
    return set.parts === undefined ? this.#ofShared(set) : this.#ofJoined(set.parts);
  }

  #ofShared(set: ResourceSet): Snapshot {
    const cached = this.#snapshots.get(set);
    if (cached?.revision === set.revision) return cached;
    const isSame = cached !== undefined && isUnchanged(set.since(cached.revision));
    const made = isSame ? { ...cached, revision: set.revision } : makeSnapshot(set);
    this.#snapshots.set(set, made);
    return made;
  }

  /** A joined set is one stream's own: keeping a list for each would cost memory by the stream. */
  #ofJoined(sets: readonly ResourceSet[]): Snapshot {
    const parts = sets.map(set => this.of(set));
    const last = this.#joined;
    const isLast =
      last?.parts.length === parts.length && parts.every((part, i) => part === last.parts[i]);
    if (last !== undefined && isLast) return last.snapshot;
    const snapshot: Snapshot = {
      revision: Math.min(...parts.map(part => part.revision)),
      resources: parts.flatMap(part => part.resources),
      missing: parts.flatMap(part => part.missing),
      bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
      lists: parts,
    };
    this.#joined = { parts, snapshot };
    return snapshot;
  }

  /** Names and versions of all resources in a few characters; equal sets give equal digests. */
  digest(set: ResourceSet): string {
    if (set.parts !== undefined) return set.parts.map(part => this.digest(part)).join("-");
    const snapshot = this.of(set);
    const cached = this.#digests.get(snapshot.resources);
    if (cached !== undefined) return cached;
    const hash = createHash("sha256");
    for (const { name, version } of snapshot.resources) hash.update(`${name}\0${version}\0`);
    const digest = hash.digest("hex").slice(0, 16);
    this.#digests.set(snapshot.resources, digest);
    return digest;
  }
}

/** Every proxy that comes or goes is a revision, which changes next to no set. */
function isUnchanged({ changed, removed, incomplete }: WatchChanges): boolean {
  return changed.length === 0 && removed.length === 0 && incomplete !== true;
}

function makeSnapshot(set: ResourceSet): Snapshot {
  const resources: Resource[] = [];
  const missing: string[] = [];
  let bytes = 0;
  for (const name of set.names()) {
    const resource = set.cell(name)?.value();
    if (resource === undefined) {
      missing.push(name);
    } else {
      resources.push(resource);
      bytes += resource.deltaField.length;
    }
  }
  return { revision: set.revision, resources, missing, bytes };
}
