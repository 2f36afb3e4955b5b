import { BugError } from "../base/assert.ts";
import type { CellWatcher, StoredCell, StoredFamily } from "./cells.ts";
import { ChangeLog } from "./change-log.ts";
import type { Cell } from "./types.ts";
import type { WatchChanges, WatchSet } from "./watch-types.ts";

/** Where the names of a set come from: a fixed list, or the value of a cell. Ascending. */
export type NameSource =
  | { readonly fixed: readonly string[] }
  | { readonly family: StoredFamily<readonly string[]>; readonly key: string };

/** How a set is tied to the rest. */
export interface WatchSetTies<T> {
  readonly cells: StoredFamily<T>;
  readonly cellKey: (name: string) => string;
  readonly names: NameSource;
  onFirstHold(): void;
  onLastRelease(): void;
}

/** One name of one set. Its cell tells it directly, so that no closures are needed. */
class Member<T> implements CellWatcher {
  next: CellWatcher | undefined;
  previous: CellWatcher | undefined;
  readonly set: StoredWatchSet<T>;
  readonly name: string;
  readonly cell: StoredCell<T>;
  /** Revision at which the name came into the set; -1 for those that it began with. */
  readonly joinedAt: number;

  constructor(set: StoredWatchSet<T>, name: string, cell: StoredCell<T>, joinedAt: number) {
    this.set = set;
    this.name = name;
    this.cell = cell;
    this.joinedAt = joinedAt;
  }

  cellDirtied(): void {
    this.set.memberDirtied(this);
  }
}

const NONE: readonly string[] = Object.freeze([]);

/** See `WatchSet`. Made by `createWatchSets`. */
export class StoredWatchSet<T> implements WatchSet<T> {
  readonly id: string;
  readonly #ties: WatchSetTies<T>;
  readonly #members = new Map<string, Member<T>>();
  readonly #dirty = new Set<Member<T>>();
  /** Failed without ever having had a value. */
  readonly #valueless = new Set<Member<T>>();
  /** What changed since the last complete settle, with the revision of the change. */
  readonly #touched = new Map<string, number>();
  readonly #log = new ChangeLog();
  readonly #listeners = new Set<() => void>();
  #names: readonly string[] = NONE;
  /** The value of the names cell that `#names` was made from. */
  #namesFollowed: readonly string[] = NONE;
  #namesCell: StoredCell<readonly string[]> | undefined;
  #stopFollowing: (() => void) | undefined;
  #revision = -1;
  #holders = 0;
  #isOver = false;
  #isAnnounced = false;
  /** The last answer of `since`: streams that are up to date all ask the same. */
  #answer: { readonly since: number; readonly changes: WatchChanges } | undefined;

  constructor(id: string, ties: WatchSetTies<T>) {
    this.id = id;
    this.#ties = ties;
  }

  get size(): number {
    return this.#members.size - this.#valueless.size;
  }

  get revision(): number {
    return this.#revision;
  }

  names(): readonly string[] {
    if (this.#valueless.size === 0) return this.#names;
    return this.#names.filter(name => this.cell(name) !== undefined);
  }

  cell(name: string): Cell<T> | undefined {
    const member = this.#members.get(name);
    return member === undefined || this.#valueless.has(member) ? undefined : member.cell;
  }

  failed(name: string): boolean {
    const member = this.#members.get(name);
    return member !== undefined && this.#valueless.has(member);
  }

  settle(deadline: () => boolean): boolean {
    if (this.#holders === 0) throw new BugError(`watch set ${this.id} is not held`);
    this.#followNames();
    for (const member of this.#dirty) {
      this.#build(member);
      this.#dirty.delete(member);
      if (this.#dirty.size > 0 && deadline()) return false;
    }
    this.#publish();
    return true;
  }

  since(revision: number): WatchChanges {
    if (this.#answer?.since !== revision) {
      this.#answer = { since: revision, changes: this.#log.since(revision) };
    }
    return this.#answer.changes;
  }

  onDirty(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  retain(): void {
    if (this.#isOver) throw new BugError(`watch set ${this.id}: retained after its last release`);
    if (++this.#holders > 1) return;
    this.#ties.onFirstHold();
    const { names } = this.#ties;
    if ("fixed" in names) {
      this.#replaceNames(names.fixed, -1);
    } else {
      this.#namesCell = names.family.open(names.key);
      this.#namesCell.hold();
      this.#stopFollowing = this.#namesCell.onDirty(() => this.#announce());
      this.#followNames();
    }
  }

  release(): void {
    if (this.#holders === 0)
      throw new BugError(`watch set ${this.id}: released more often than retained`);
    if (--this.#holders > 0) return;
    this.#isOver = true;
    this.#ties.onLastRelease();
    for (const member of this.#members.values()) this.#letGo(member);
    this.#members.clear();
    this.#stopFollowing?.();
    this.#namesCell?.release();
  }

  memberDirtied(member: Member<T>): void {
    if (this.#members.get(member.name) !== member) return;
    this.#dirty.add(member);
    this.#announce();
  }

  #announce(): void {
    if (this.#isAnnounced) return;
    this.#isAnnounced = true;
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) this.#ties.cells.engine.notify(listener);
    }
  }

  /** Takes over the names of the names cell. A failed one keeps the names it had. */
  #followNames(): void {
    const cell = this.#namesCell;
    if (cell === undefined) return;
    cell.settle();
    const names = cell.hasValue ? cell.value() : NONE;
    if (names === this.#namesFollowed) return;
    this.#namesFollowed = names;
    this.#replaceNames(ascending(names), this.#revision === -1 ? -1 : this.#now);
  }

  #replaceNames(names: readonly string[], joinedAt: number): void {
    const wanted = new Set(names);
    for (const name of this.#names) if (!wanted.has(name)) this.#leave(name);
    for (const name of names) if (!this.#members.has(name)) this.#join(name, joinedAt);
    this.#names = names;
  }

  #join(name: string, joinedAt: number): void {
    const { cells, cellKey } = this.#ties;
    const cell = cells.open(cellKey(name));
    const member = new Member(this, name, cell, joinedAt);
    cell.hold();
    cell.attach(member);
    this.#members.set(name, member);
    this.#dirty.add(member);
  }

  #leave(name: string): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    this.#letGo(member);
    this.#members.delete(name);
    this.#touched.delete(name);
    this.#log.removed(name, this.#now);
  }

  #letGo(member: Member<T>): void {
    this.#dirty.delete(member);
    this.#valueless.delete(member);
    member.cell.detach(member);
    member.cell.release();
  }

  #build(member: Member<T>): void {
    const { name, cell, joinedAt } = member;
    cell.settle();
    if (!cell.hasValue) {
      this.#valueless.add(member);
      return;
    }
    this.#valueless.delete(member);
    const revision = Math.max(cell.changedAt, joinedAt);
    if (revision > (this.#log.changedAt(name) ?? -1)) this.#touched.set(name, revision);
  }

  /** Everything is built: what changed goes to the log, all behind what is there. */
  #publish(): void {
    this.#isAnnounced = false;
    if (this.#revision === this.#now) return;
    const touched = [...this.#touched].sort((a, b) => a[1] - b[1]);
    for (const [name, revision] of touched) this.#log.changed(name, revision);
    this.#touched.clear();
    this.#revision = this.#now;
    this.#answer = undefined;
  }

  get #now(): number {
    return this.#ties.cells.engine.revision.number;
  }
}

/** The same array when it is in order, as it should be. */
export function ascending(names: readonly string[]): readonly string[] {
  for (let i = 1; i < names.length; i++) {
    if ((names[i - 1] ?? "") >= (names[i] ?? "")) return [...new Set(names)].sort();
  }
  return names;
}
