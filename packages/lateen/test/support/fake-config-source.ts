/**
 * A configuration source for protocol tests: tables of resources by type, edited in revisions, with
 * watch sets that behave like the engine's (interned, counted, dirty until settled).
 */

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Resource as ResourceMessage } from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import type {
  ConfigSource,
  Connection,
  Node,
  Peer,
  Refusal,
  Resource,
  StreamEvent,
} from "../../src/discovery/types.ts";
import type { Cell } from "../../src/flow/types.ts";
import type { WatchSet } from "../../src/flow/watch-types.ts";

export function makeResource(
  type: string,
  name: string,
  version: string,
  body: Uint8Array = Buffer.from(`${name}@${version}`),
): Resource {
  const any = { typeUrl: type, value: body };
  const delta = new BinaryWriter().uint32(18).fork();
  ResourceMessage.encode({ name, version, resource: any }, delta);
  const sotw = new BinaryWriter().uint32(18).fork();
  sotw.uint32(10).string(type).uint32(18).bytes(body);
  const deltaField = delta.join().finish();
  return { type, name, version, deltaField, sotwField: sotw.join().finish() };
}

export interface FakeEdit {
  set(type: string, name: string, version: string, body?: Uint8Array): void;
  delete(type: string, name: string): void;
}

export class FakeConfigSource implements ConfigSource {
  ready = true;
  revision = 0;
  readonly connections: FakeConnection[] = [];
  /** Types that have no wildcard. */
  readonly namedOnly = new Set<string>();
  refuse: ((node: Node, peer: Peer) => Refusal | undefined) | undefined;
  /** Names whose resources can not be built. */
  readonly failing = new Set<string>();
  /** When set, a resource is looked up under this class first. */
  classOf: (node: Node) => string = () => "";
  /** Cells built in one `settle` before it looks at the clock; 0: no bound. */
  slowness = 0;
  readonly #tables = new Map<string, Map<string, Resource>>();
  readonly #sets = new Map<string, FakeWatchSet>();
  readonly #readyListeners: (() => void)[] = [];

  connect(node: Node, peer: Peer, form: "delta" | "sotw"): Connection | Refusal {
    const refusal = this.refuse?.(node, peer);
    if (refusal !== undefined) return refusal;
    const id = `${node.id}-${this.connections.length}`;
    const connection = new FakeConnection(this, id, node, form, this.classOf(node));
    this.connections.push(connection);
    return connection;
  }

  onReady(listener: () => void): void {
    this.#readyListeners.push(listener);
  }

  becomeReady(): void {
    this.ready = true;
    for (const listener of this.#readyListeners.splice(0)) listener();
  }

  commit(edit: (edit: FakeEdit) => void): void {
    this.revision++;
    edit({
      set: (type, name, version, body) =>
        void this.table(type).set(name, makeResource(type, name, version, body)),
      delete: (type, name) => void this.table(type).delete(name),
    });
    for (const set of this.#sets.values()) set.markDirty();
  }

  /** `class/name` stands for the view of a class; plain names are everybody's. */
  lookup(type: string, className: string, name: string): Resource | undefined {
    return this.table(`${className}|${type}`).get(name) ?? this.table(type).get(name);
  }

  namesOf(type: string, className: string): string[] {
    const own = this.table(`${className}|${type}`).keys();
    return [...new Set([...own, ...this.table(type).keys()])].sort();
  }

  setOf(type: string, className: string, names: readonly string[] | undefined): FakeWatchSet {
    const id = `${type} ${className} ${names === undefined ? "*" : names.join(",")}`;
    let set = this.#sets.get(id);
    if (set === undefined) {
      set = new FakeWatchSet(this, id, type, className, names, () => this.#sets.delete(id));
      this.#sets.set(id, set);
    }
    return set;
  }

  get liveSets(): number {
    return this.#sets.size;
  }

  table(key: string): Map<string, Resource> {
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = new Map();
      this.#tables.set(key, table);
    }
    return table;
  }
}

export class FakeConnection implements Connection {
  readonly id: string;
  readonly node: Node;
  readonly form: "delta" | "sotw";
  readonly events: StreamEvent[] = [];
  closed = false;
  readonly #source: FakeConfigSource;
  #className: string;
  #onReclassified: (() => void) | undefined;

  constructor(
    source: FakeConfigSource,
    id: string,
    node: Node,
    form: "delta" | "sotw",
    className: string,
  ) {
    this.#source = source;
    this.id = id;
    this.node = node;
    this.form = form;
    this.#className = className;
  }

  wildcard(type: string): WatchSet<Resource | undefined> | undefined {
    if (this.#source.namedOnly.has(type)) return undefined;
    return this.#source.setOf(type, this.#className, undefined);
  }

  named(type: string, names: readonly string[]): WatchSet<Resource | undefined> {
    return this.#source.setOf(type, this.#className, names);
  }

  onReclassified(listener: () => void): void {
    this.#onReclassified = listener;
  }

  reclassify(className: string): void {
    this.#className = className;
    this.#onReclassified?.();
  }

  report(event: StreamEvent): void {
    this.events.push(event);
  }

  close(): void {
    this.closed = true;
  }
}

export class FakeWatchSet implements WatchSet<Resource | undefined> {
  readonly id: string;
  revision = -1;
  readonly #source: FakeConfigSource;
  readonly #type: string;
  readonly #className: string;
  readonly #fixed: readonly string[] | undefined;
  readonly #dispose: () => void;
  readonly #cells = new Map<string, FakeCell>();
  readonly #removedAt = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #names: readonly string[] | undefined;
  #holders = 0;
  #dirty = true;

  constructor(
    source: FakeConfigSource,
    id: string,
    type: string,
    className: string,
    names: readonly string[] | undefined,
    dispose: () => void,
  ) {
    this.#source = source;
    this.id = id;
    this.#type = type;
    this.#className = className;
    this.#fixed = names;
    this.#dispose = dispose;
  }

  get size(): number {
    return this.names().length;
  }

  names(): readonly string[] {
    this.#names ??= this.#fixed ?? this.#source.namesOf(this.#type, this.#className);
    return this.#names;
  }

  cell(name: string): Cell<Resource | undefined> | undefined {
    return this.#cells.get(name);
  }

  failed(name: string): boolean {
    return this.#source.failing.has(name);
  }

  markDirty(): void {
    const was = this.#dirty;
    this.#dirty = true;
    if (!was) for (const listener of [...this.#listeners]) listener();
  }

  settle(deadline: () => boolean): boolean {
    if (!this.#dirty) return true;
    if (this.#source.slowness > 0 && deadline()) return false;
    this.#names = undefined;
    const now = this.#source.revision;
    const names = new Set(this.names());
    for (const name of this.#cells.keys()) {
      if (names.has(name)) continue;
      this.#cells.delete(name);
      this.#removedAt.set(name, now);
    }
    for (const name of names) {
      if (this.#source.failing.has(name)) continue;
      const value = this.#source.lookup(this.#type, this.#className, name);
      const cell = this.#cells.get(name);
      if (cell === undefined) {
        this.#cells.set(name, new FakeCell(name, value, now));
        this.#removedAt.delete(name);
      } else if (cell.current?.version !== value?.version) {
        cell.current = value;
        cell.changedAt = now;
      }
    }
    this.revision = now;
    this.#dirty = false;
    return true;
  }

  since(revision: number): { changed: readonly string[]; removed: readonly string[] } {
    const changed = [...this.#cells.values()].filter(cell => cell.changedAt > revision);
    const removed = [...this.#removedAt].filter(([, at]) => at > revision);
    return {
      changed: changed.map(cell => cell.key).sort(),
      removed: removed.map(([name]) => name).sort(),
    };
  }

  onDirty(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#holders < 0) throw new Error(`${this.id} released too often`);
    if (this.#holders === 0) this.#dispose();
  }
}

class FakeCell implements Cell<Resource | undefined> {
  readonly key: string;
  current: Resource | undefined;
  changedAt: number;
  readonly dirty = false;

  constructor(key: string, current: Resource | undefined, changedAt: number) {
    this.key = key;
    this.current = current;
    this.changedAt = changedAt;
  }

  get family(): never {
    throw new Error("a fake cell has no family");
  }

  value(): Resource | undefined {
    return this.current;
  }

  onDirty(): () => void {
    return () => {};
  }

  release(): void {}
}
