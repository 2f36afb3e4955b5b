/**
 * Turns what a source tells into rows of input collections: decodes, keeps the last good row of a
 * bad object, and makes one revision of what comes together.
 */
import type { ApiObject, JsonObject, Kind } from "../api/kind.ts";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import { objectName } from "../base/object-name.ts";
import type { Graph, InputCollection, Writer } from "../flow/types.ts";
import { objectAt } from "./json.ts";
import type { ObjectSource, SourceChange, SourceProblem } from "./source.ts";

/**
 * What is to be said about one object, or one file (kind `File`, its place as the name), under
 * `objectName`.
 */
export interface ObjectDiagnostics {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Of the object that this is about; 0 where the source counts none. */
  readonly generation: number;
  /** False: it has errors, and its last good row (if any) stands. */
  readonly accepted: boolean;
  readonly diagnostics: readonly Diagnostic[];
  /** `FILE:LINE` for objects from files. */
  readonly origin?: string;
}

/** Last good objects that outlive the process; `kind` is `GROUP/KIND`. */
export interface LastGood {
  get(kind: string, key: string): JsonObject | undefined;
  put(kind: string, key: string, object: JsonObject): void;
  remove(kind: string, key: string): void;
}

/** A kind and the collection that its objects go to. Made by `bindInput`. */
export interface InputBinding {
  readonly kind: Kind;
  /** Its objects hold keys, so they are never written down as last good ones. */
  readonly sensitive?: boolean;
  /** Decodes; the row is set only when `write` is called, inside a commit. */
  decode(object: JsonObject): {
    readonly diagnostics: readonly Diagnostic[];
    /** undefined: the object is not acceptable. */
    readonly write: ((writer: Writer, key: string) => void) | undefined;
  };
  has(key: string): boolean;
  remove(writer: Writer, key: string): void;
}

/** `onWrite` is asked before a row is set, in the same commit, and may set others. */
export function bindInput<T extends ApiObject>(
  kind: Kind<T>,
  collection: InputCollection<T>,
  onWrite?: (writer: Writer, key: string, row: T) => void,
): InputBinding {
  return {
    kind,
    decode: object => {
      const decoded = kind.decode(object);
      const { diagnostics } = decoded;
      if (!decoded.ok) return { diagnostics, write: undefined };
      const write = (writer: Writer, key: string): void => {
        onWrite?.(writer, key, decoded.value);
        writer.set(collection, key, decoded.value);
      };
      return { diagnostics, write };
    },
    has: key => collection.get(key) !== undefined,
    remove: (writer, key) => writer.delete(collection, key),
  };
}

export interface InputWriterOptions {
  readonly graph: Graph;
  readonly source: ObjectSource;
  readonly bindings: readonly InputBinding[];
  readonly diagnostics: InputCollection<ObjectDiagnostics>;
  readonly clock: Clock;
  readonly log: Log;
  /** Without it a bad object has no row after a restart. */
  readonly lastGood?: LastGood;
  /** Called once, after the commit that holds everything that was there at the start. */
  readonly onSynced?: () => void;
  /** Told of every change of a bound kind, as it comes from the source. */
  readonly onObject?: (kind: Kind, event: "add" | "update" | "delete") => void;
}

/** What a commit does for one object. */
interface PendingEdit {
  readonly subject: string;
  /** undefined: its row stays as it is. */
  readonly row: ((writer: Writer) => void) | undefined;
  readonly report: (writer: Writer) => void;
}

/** Under load revisions follow each other at this distance; a lone change does not wait. */
const BATCH_MS = 10;

export class InputWriter {
  readonly #options: InputWriterOptions;
  readonly #bindings: ReadonlyMap<Kind, InputBinding>;
  /** The latest state of each object that waits, decoded: nothing holds what has been read. */
  readonly #pending = new Map<string, PendingEdit>();
  /** Objects with a row, as they came: only where they have to outlive the process when they break. */
  readonly #good = new Map<string, JsonObject>();
  /** Keys of the rows of problems of the source itself. */
  #problems: readonly string[] = [];
  #nextProblems: readonly SourceProblem[] | undefined;
  #synced = false;
  #scheduled = false;
  #lastCommitAt = Number.NEGATIVE_INFINITY;
  #cancel: () => void = () => {};

  constructor(options: InputWriterOptions) {
    this.#options = options;
    this.#bindings = new Map(options.bindings.map(binding => [binding.kind, binding]));
  }

  start(): void {
    this.#options.source.start({
      onChanges: changes => this.#take(changes),
      onProblems: problems => {
        this.#nextProblems = problems;
        this.#schedule();
      },
      onSynced: () => {
        this.#synced = true;
        this.#commit();
        this.#options.onSynced?.();
      },
    });
  }

  stop(): void {
    this.#cancel();
    this.#options.source.stop();
  }

  #take(changes: readonly SourceChange[]): void {
    for (const change of changes) {
      const binding = this.#bindings.get(change.kind);
      if (binding === undefined) continue;
      const about = objectName(change.kind, change.namespace, change.name);
      this.#options.onObject?.(change.kind, this.#eventOf(change, about, binding));
      this.#pending.set(about, this.#prepare(change, about, this.#pending.get(about)));
    }
    this.#schedule();
  }

  #eventOf(change: SourceChange, about: string, binding: InputBinding) {
    if (change.object === undefined) return "delete";
    const isKnown = this.#pending.has(about) || binding.has(rowKey(change.namespace, change.name));
    return isKnown ? "update" : "add";
  }

  #schedule(): void {
    const idle = this.#pending.size === 0 && this.#nextProblems === undefined;
    if (!this.#synced || this.#scheduled || idle) return;
    const wait = this.#lastCommitAt + BATCH_MS - this.#options.clock.monotonic();
    if (wait <= 0) {
      this.#commit();
      return;
    }
    this.#scheduled = true;
    this.#cancel = this.#options.clock.after(wait, () => {
      this.#scheduled = false;
      this.#commit();
    });
  }

  #commit(): void {
    const { graph, source, clock } = this.#options;
    const edits = [...this.#pending.values()];
    this.#pending.clear();
    this.#lastCommitAt = clock.monotonic();
    const problems = this.#problemEdits();
    if (edits.length === 0 && problems.length === 0) return;
    const [only] = edits;
    const subject = only !== undefined && edits.length === 1 ? { subject: only.subject } : {};
    graph.commit({ source: source.name, at: clock.now(), ...subject }, writer => {
      for (const edit of edits) {
        edit.row?.(writer);
        edit.report(writer);
      }
      for (const edit of problems) edit(writer);
    });
  }

  #problemEdits(): ((writer: Writer) => void)[] {
    const problems = this.#nextProblems;
    if (problems === undefined) return [];
    this.#nextProblems = undefined;
    const { diagnostics } = this.#options;
    const rows = new Map(problems.map(problem => [`File//${problem.origin}`, problemRow(problem)]));
    const gone = this.#problems.filter(key => !rows.has(key));
    this.#problems = [...rows.keys()];
    return [
      writer => {
        for (const key of gone) writer.delete(diagnostics, key);
        for (const [key, row] of rows) writer.set(diagnostics, key, row);
      },
    ];
  }

  /** Everything that may fail happens here, before the commit begins. */
  #prepare(change: SourceChange, about: string, before: PendingEdit | undefined): PendingEdit {
    const binding = this.#bindings.get(change.kind);
    assert(binding !== undefined, "only changes of bound kinds are prepared");
    const key = rowKey(change.namespace, change.name);
    const { diagnostics } = this.#options;
    const subject = subjectOf(change);
    if (change.object === undefined) {
      this.#forget(change.kind, key);
      return {
        subject,
        row: writer => binding.remove(writer, key),
        report: writer => writer.delete(diagnostics, about),
      };
    }
    const decoded = binding.decode(change.object);
    const row = diagnosticsOf(change, decoded.diagnostics, decoded.write !== undefined);
    const report = (writer: Writer): void => {
      if (row.diagnostics.length > 0) writer.set(diagnostics, about, row);
      else writer.delete(diagnostics, about);
    };
    const { write } = decoded;
    if (write === undefined)
      return { subject, row: this.#fallBack(binding, change, key, before), report };
    if (binding.sensitive !== true) this.#remember(change.kind, key, change.object);
    return { subject, row: writer => write(writer, key), report };
  }

  /** A bad object keeps the row it has, or waits for; after a restart the one kept for it. */
  #fallBack(
    binding: InputBinding,
    change: SourceChange,
    key: string,
    before: PendingEdit | undefined,
  ): PendingEdit["row"] {
    const { lastGood, log } = this.#options;
    const id = kindId(change.kind);
    const good = this.#good.get(`${id} ${key}`);
    if (good !== undefined) lastGood?.put(id, key, good);
    const stands = before?.row !== undefined || binding.has(key);
    const kept = stands ? undefined : lastGood?.get(id, key);
    // What is wrong with it is in its diagnostics, which are logged and shown from there.
    if (stands || kept !== undefined)
      log.info("an object with errors keeps its last good state", { object: subjectOf(change) });
    if (before !== undefined) return before.row;
    const write = kept === undefined ? undefined : binding.decode(kept).write;
    return write === undefined ? undefined : writer => write(writer, key);
  }

  #remember(kind: Kind, key: string, object: JsonObject): void {
    const { lastGood } = this.#options;
    if (lastGood === undefined) return;
    const id = kindId(kind);
    if (lastGood.get(id, key) !== undefined) lastGood.remove(id, key);
    this.#good.set(`${id} ${key}`, object);
  }

  #forget(kind: Kind, key: string): void {
    this.#good.delete(`${kindId(kind)} ${key}`);
    this.#options.lastGood?.remove(kindId(kind), key);
  }
}

function kindId(kind: Kind): string {
  return `${kind.group}/${kind.kind}`;
}

function rowKey(namespace: string, name: string): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

function subjectOf({ kind, namespace, name }: SourceChange): string {
  return `${kind.kind} ${rowKey(namespace, name)}`;
}

function problemRow({ origin, message }: SourceProblem): ObjectDiagnostics {
  return {
    group: "",
    kind: "File",
    namespace: "",
    name: origin,
    generation: 0,
    accepted: false,
    diagnostics: [{ severity: "error", path: "", message, reason: "Unreadable" }],
    origin,
  };
}

function diagnosticsOf(
  change: SourceChange,
  diagnostics: readonly Diagnostic[],
  accepted: boolean,
): ObjectDiagnostics {
  const { kind, namespace, name, object, origin } = change;
  const generation = objectAt(object ?? {}, "metadata")["generation"];
  return {
    group: kind.group,
    kind: kind.kind,
    namespace,
    name,
    generation: typeof generation === "number" ? generation : 0,
    accepted,
    diagnostics,
    ...(origin === undefined ? {} : { origin }),
  };
}
