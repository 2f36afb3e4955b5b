/**
 * A configuration source for protocol tests: a table of resources by view, type and name over the
 * real engine, edited in revisions.
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
import { createGraph } from "../../src/flow/graph.ts";
import type { Graph, InputCollection } from "../../src/flow/types.ts";
import { createWatchSets } from "../../src/flow/watch.ts";
import type { WatchSet, WatchSets } from "../../src/flow/watch-types.ts";

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
  /** `type` may be `class|type`: the view of one class, which goes before everybody's. */
  set(type: string, name: string, version: string, body?: Uint8Array): void;
  delete(type: string, name: string): void;
}

interface Row {
  readonly version: string;
  readonly body: Uint8Array | undefined;
}

const cause = { source: "test" };

export class FakeConfigSource implements ConfigSource {
  ready = true;
  /** False where a test counts memory. */
  keepEvents = true;
  readonly connections: FakeConnection[] = [];
  /** Types that have no wildcard. */
  readonly namedOnly = new Set<string>();
  /** Names whose resources can not be built. */
  readonly failing = new Set<string>();
  refuse: ((node: Node, peer: Peer) => Refusal | undefined) | undefined;
  classOf: (node: Node) => string = () => "";
  readonly #graph: Graph = createGraph();
  readonly #rows: InputCollection<Row>;
  readonly sets: WatchSets<Resource | undefined>;
  /** Streams that wait for it to become ready. */
  readonly waiting = new Set<() => void>();

  constructor() {
    const rows = this.#graph.input<Row>("rows");
    this.#rows = rows;
    const byType = this.#graph.index(rows, "by type", key => [key.split("\n")[0] ?? ""]);
    const cells = this.#graph.cells<Resource | undefined>(
      { name: "resources", reads: [rows] },
      (key, read) => {
        const [view = "", name = ""] = key.split("\n");
        if (this.failing.has(name)) throw new Error(`${name} fails on purpose`);
        const row = read.get(rows, key) ?? read.get(rows, `${typeOf(view)}\n${name}`);
        return row && makeResource(typeOf(view), name, row.version, row.body);
      },
    );
    const names = this.#graph.cells({ name: "names", reads: [byType] }, (view, read) => {
      const keys = [...read.keysOf(byType, view), ...read.keysOf(byType, typeOf(view))];
      return [...new Set(keys.map(key => key.split("\n")[1] ?? ""))].sort();
    });
    const cellKey = (view: string, name: string): string => `${view}\n${name}`;
    this.sets = createWatchSets({ cells, names, cellKey });
  }

  connect(node: Node, peer: Peer, form: "delta" | "sotw"): Connection | Refusal {
    const refusal = this.refuse?.(node, peer);
    if (refusal !== undefined) return refusal;
    const id = `${node.id}-${this.connections.length}`;
    const connection = new FakeConnection(this, id, node, form, this.classOf(node));
    this.connections.push(connection);
    return connection;
  }

  nameable(): number {
    return this.#rows.size;
  }

  onReady(listener: () => void): () => void {
    this.waiting.add(listener);
    return () => void this.waiting.delete(listener);
  }

  becomeReady(): void {
    this.ready = true;
    for (const listener of this.waiting) listener();
    this.waiting.clear();
  }

  commit(edit: (edit: FakeEdit) => void): void {
    const rows = this.#rows;
    this.#graph.commit(cause, writer =>
      edit({
        set: (type, name, version, body) => writer.set(rows, `${type}\n${name}`, { version, body }),
        delete: (type, name) => writer.delete(rows, `${type}\n${name}`),
      }),
    );
  }

  /** The version that a class has of a resource. */
  versionOf(type: string, className: string, name: string): string | undefined {
    const own = this.#rows.get(`${viewOf(type, className)}\n${name}`);
    return (own ?? this.#rows.get(`${type}\n${name}`))?.version;
  }

  get liveSets(): number {
    return this.sets.liveCount;
  }
}

function viewOf(type: string, className: string): string {
  return className === "" ? type : `${className}|${type}`;
}

function typeOf(view: string): string {
  return view.slice(view.indexOf("|") + 1);
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
    const view = viewOf(type, this.#className);
    return this.#source.sets.following(view, view);
  }

  named(type: string, names: readonly string[]): WatchSet<Resource | undefined> {
    return this.#source.sets.explicit(viewOf(type, this.#className), names);
  }

  nameable(): number {
    return this.#source.nameable();
  }

  onReclassified(listener: () => void): void {
    this.#onReclassified = listener;
  }

  reclassify(className: string): void {
    this.#className = className;
    this.#onReclassified?.();
  }

  report(event: StreamEvent): void {
    if (this.#source.keepEvents) this.events.push(event);
  }

  close(): void {
    this.closed = true;
  }
}
