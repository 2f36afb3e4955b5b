import { LinkedList } from "./linked-list.ts";
import type { WatchChanges } from "./watch-types.ts";

/**
 * So many removed names are remembered at least, and up to this many for each present one; those of
 * the newest revision always, or one large removal would be news to nobody.
 */
const REMOVED_MIN = 4096;
const REMOVED_PER_NAME = 4;

/** Names that are there, or were. */
class Entry {
  readonly name: string;
  /** When the name first came, as far as the log remembers. */
  readonly since: number;
  isPresent = true;
  /** When it was added, changed or removed last. */
  revision: number;
  next: Entry | undefined;
  previous: Entry | undefined;

  constructor(name: string, revision: number) {
    this.name = name;
    this.since = revision;
    this.revision = revision;
  }
}

/**
 * Which names changed after a revision, for any revision. Holds each name once, in the order of last
 * changes, so it needs no compaction: it grows with the names, not with the changes.
 */
export class ChangeLog {
  readonly #entries = new Map<string, Entry>();
  readonly #present = new LinkedList<Entry>();
  readonly #removed = new LinkedList<Entry>();
  #removedCount = 0;
  /** The newest removal that is forgotten. */
  #forgottenUpTo = -1;

  /** Revision of the last change of a name that is there. */
  changedAt(name: string): number | undefined {
    const entry = this.#entries.get(name);
    return entry?.isPresent ? entry.revision : undefined;
  }

  /** Added or changed. Calls must come in ascending order of revisions. */
  changed(name: string, revision: number): void {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = new Entry(name, revision);
      this.#entries.set(name, entry);
    } else {
      this.#unlist(entry);
      entry.isPresent = true;
      entry.revision = revision;
    }
    this.#present.add(entry);
  }

  /** Without effect when the name is not there. Calls in ascending order, too. */
  removed(name: string, revision: number): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || !entry.isPresent) return;
    this.#unlist(entry);
    entry.isPresent = false;
    entry.revision = revision;
    this.#removed.add(entry);
    this.#removedCount++;
    this.#forgetBefore(revision);
  }

  /** Walks back to `revision` and not further. */
  since(revision: number): WatchChanges {
    const changed: string[] = [];
    for (let entry = this.#present.first; isAfter(entry, revision); entry = entry.next) {
      changed.push(entry.name);
    }
    const removed: string[] = [];
    for (let entry = this.#removed.first; isAfter(entry, revision); entry = entry.next) {
      if (entry.since <= revision) removed.push(entry.name);
    }
    const changes = { changed: changed.sort(), removed: removed.sort() };
    const isForgotten = revision >= 0 && revision < this.#forgottenUpTo;
    return isForgotten ? { ...changes, incomplete: true } : changes;
  }

  #unlist(entry: Entry): void {
    if (entry.isPresent) {
      this.#present.remove(entry);
    } else {
      this.#removed.remove(entry);
      this.#removedCount--;
    }
  }

  #forgetBefore(revision: number): void {
    const presentCount = this.#entries.size - this.#removedCount;
    const limit = Math.max(REMOVED_MIN, REMOVED_PER_NAME * presentCount);
    while (this.#removedCount > limit) {
      const entry = this.#removed.last;
      if (entry === undefined || entry.revision >= revision) return;
      this.#unlist(entry);
      this.#entries.delete(entry.name);
      this.#forgottenUpTo = entry.revision;
    }
  }
}

function isAfter(entry: Entry | undefined, revision: number): entry is Entry {
  return entry !== undefined && entry.revision > revision;
}
