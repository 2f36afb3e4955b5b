/**
 * A folder of Kubernetes YAML as a source. It follows changes; where a file breaks, the objects that
 * came from it stay as they were last good.
 */
import type { JsonObject, Kind } from "../../api/kind.ts";
import { kindOfObject } from "../../api/registry.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { jsonEqual, objectAt, stringAt } from "../json.ts";
import type { ObjectSource, SourceChange, SourceProblem, SourceSink } from "../source.ts";
import { groupVersion } from "../store/stored.ts";
import { readFolder } from "./folder.ts";
import { FolderWatch } from "./folder-watch.ts";
import { type DocumentCache, type ParsedText, parseText } from "./parse.ts";

export interface FilesSourceOptions {
  readonly directory: string;
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  readonly log: Log;
  /** For namespaced objects that name none. Default: `default`. */
  readonly namespace?: string;
}

/** Editors write a file in several steps; they are over in this time. */
const SETTLE_MS = 20;
/** Where the system loses events (network file systems), changes are seen this much later. */
const RESCAN_MS = 10_000;

interface FileObject {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly object: JsonObject;
  readonly origin: string;
}

/** `of no use`: a kind that we know, but that this reader did not ask for. */
type Identified =
  | ({ readonly is: "object" } & FileObject)
  | { readonly is: "wrong"; readonly message: string }
  | { readonly is: "unknown"; readonly type: string }
  | { readonly is: "of no use" };

/** Objects of one kind that is not known, in one file. */
interface Stranger {
  /** The first one's. */
  readonly origin: string;
  readonly objects: number;
}

/** What one file gave when it was read last. */
interface FileResult {
  readonly version: string;
  readonly documents: DocumentCache;
  readonly objects: readonly FileObject[];
  readonly problems: readonly SourceProblem[];
}

export function filesSource(options: FilesSourceOptions): ObjectSource {
  let running: FolderFollower | undefined;
  return {
    name: "files",
    start: sink => {
      running = new FolderFollower(options, sink);
    },
    stop: () => running?.stop(),
  };
}

class FolderFollower {
  readonly #options: FilesSourceOptions;
  readonly #sink: SourceSink;
  readonly #kinds: ReadonlyMap<string, Kind>;
  readonly #watch: FolderWatch;
  #results: ReadonlyMap<string, FileResult> = new Map();
  #objects: ReadonlyMap<string, FileObject> = new Map();
  #shownProblems = "";
  #cancelSettle: (() => void) | undefined;
  #cancelRescan: () => void = () => {};
  #stopped = false;

  constructor(options: FilesSourceOptions, sink: SourceSink) {
    this.#options = options;
    this.#sink = sink;
    this.#kinds = new Map(
      options.kinds.flatMap(kind =>
        kind.versions.map(version => [`${groupVersion(kind.group, version)} ${kind.kind}`, kind]),
      ),
    );
    this.#watch = new FolderWatch(
      () => this.#changed(),
      (folder, reason) =>
        options.log.warn("cannot follow a folder: its changes are seen later", { folder, reason }),
    );
    this.#rescan();
    sink.onSynced();
  }

  stop(): void {
    this.#stopped = true;
    this.#watch.close();
    this.#cancelSettle?.();
    this.#cancelRescan();
  }

  #changed(): void {
    if (this.#stopped || this.#cancelSettle !== undefined) return;
    this.#cancelSettle = this.#options.clock.after(SETTLE_MS, () => {
      this.#cancelSettle = undefined;
      this.#rescan();
    });
  }

  #rescan(): void {
    if (this.#stopped) return;
    this.#cancelRescan();
    const folder = readFolder(this.#options.directory, path => this.#results.get(path)?.version);
    const results = new Map<string, FileResult>();
    for (const [path, { text, version }] of folder.files) {
      const before = this.#results.get(path);
      if (text !== undefined) results.set(path, this.#read(path, text, version, before));
      else if (before !== undefined) results.set(path, before);
    }
    // A file that is there but can not be read keeps what it gave, and so do those of a folder.
    for (const [path, before] of this.#results) {
      const isHidden = folder.unlisted.some(each => each === "." || path.startsWith(`${each}/`));
      if (isHidden || folder.unreadable.has(path)) results.set(path, before);
    }
    this.#results = results;
    this.#tell(folder.unreadable);
    // What happened in a folder between its reading and its watch is found by reading once more.
    if (this.#watch.follow(folder.folders)) this.#changed();
    this.#cancelRescan = this.#options.clock.after(RESCAN_MS, () => this.#rescan());
  }

  #read(path: string, text: string, version: string, before: FileResult | undefined): FileResult {
    const documents = new Map<string, ParsedText>();
    const known = before?.documents ?? new Map();
    const parsed = parseText(text, known, documents);
    const problems = parsed.problems.map(({ line, message }) => ({
      origin: `${path}:${line}`,
      message,
    }));
    const broken = problems.length > 0;
    for (const { line, message } of parsed.warnings)
      this.#options.log.warn("hardly meant", { origin: `${path}:${line}`, message });
    const objects: FileObject[] = [];
    const strangers = new Map<string, Stranger>();
    for (const { object, line } of parsed.objects) {
      const origin = `${path}:${line}`;
      const identified = this.#identify(object, origin);
      if (identified.is === "object") objects.push(identified);
      else if (identified.is === "wrong") problems.push({ origin, message: identified.message });
      else if (identified.is === "unknown") count(strangers, identified.type, origin);
    }
    for (const [type, { origin, objects: found }] of strangers)
      problems.push({ origin, message: unknownKind(type, found) });
    if (!broken) return { version, documents, objects, problems };
    const present = new Set(objects.map(keyOf));
    const kept = (before?.objects ?? []).filter(object => !present.has(keyOf(object)));
    return { version, documents, objects: [...objects, ...kept], problems };
  }

  #identify(object: JsonObject, origin: string): Identified {
    const apiVersion = stringAt(object, "apiVersion");
    const kindName = stringAt(object, "kind");
    if (apiVersion === "" || kindName === "")
      return { is: "wrong", message: "the object has no apiVersion or no kind: both are needed" };
    const kind = this.#kinds.get(`${apiVersion} ${kindName}`);
    if (kind === undefined) {
      if (kindOfObject(apiVersion, kindName) !== undefined) return { is: "of no use" };
      return { is: "unknown", type: `${kindName} of ${apiVersion}` };
    }
    const metadata = objectAt(object, "metadata");
    const name = stringAt(metadata, "name");
    if (name === "") return { is: "wrong", message: `${kindName}: metadata.name is missing` };
    const own = stringAt(metadata, "namespace") || (this.#options.namespace ?? "default");
    const namespace = kind.namespaced ? own : "";
    const placed = kind.namespaced ? { ...metadata, namespace } : metadata;
    const complete = kind.applyDefaults({ ...object, metadata: placed });
    return { is: "object", kind, namespace, name, object: complete, origin };
  }

  #tell(unreadable: ReadonlyMap<string, string>): void {
    const problems: SourceProblem[] = [];
    for (const [path, message] of unreadable) problems.push({ origin: path, message });
    const objects = new Map<string, FileObject>();
    for (const result of this.#results.values()) {
      problems.push(...result.problems);
      for (const object of result.objects) {
        const first = objects.get(keyOf(object));
        if (first === undefined) objects.set(keyOf(object), object);
        else problems.push({ origin: object.origin, message: doubled(object, first) });
      }
    }
    const changes = differences(this.#objects, objects);
    this.#objects = objects;
    this.#tellProblems(problems);
    if (changes.length > 0) this.#sink.onChanges(changes);
  }

  #tellProblems(problems: readonly SourceProblem[]): void {
    const shown = JSON.stringify(problems);
    if (shown === this.#shownProblems || (shown === "[]" && this.#shownProblems === "")) return;
    this.#shownProblems = shown;
    for (const { origin, message } of problems)
      this.#options.log.warn("problem in a file", { at: origin, error: message });
    this.#sink.onProblems(problems);
  }
}

function keyOf({ kind, namespace, name }: FileObject): string {
  return `${kind.group}/${kind.kind}/${namespace}/${name}`;
}

function count(strangers: Map<string, Stranger>, type: string, origin: string): void {
  const before = strangers.get(type);
  strangers.set(type, { origin: before?.origin ?? origin, objects: (before?.objects ?? 0) + 1 });
}

function unknownKind(type: string, objects: number): string {
  if (objects === 1) return `${type} is not known here: the object is left out`;
  return `${type} is not known here: ${objects} objects in this file are left out`;
}

function doubled(second: FileObject, first: FileObject): string {
  const { kind, namespace, name } = second;
  const place = namespace === "" ? name : `${namespace}/${name}`;
  return `${kind.kind} ${place} is already in ${first.origin}: this one is left out`;
}

function differences(
  before: ReadonlyMap<string, FileObject>,
  after: ReadonlyMap<string, FileObject>,
): SourceChange[] {
  const changes: SourceChange[] = [];
  for (const [key, object] of after) {
    const old = before.get(key);
    if (old === object) continue;
    if (old?.origin === object.origin && jsonEqual(old.object, object.object)) continue;
    changes.push(object);
  }
  for (const [key, { kind, namespace, name }] of before)
    if (!after.has(key)) changes.push({ kind, namespace, name, object: undefined });
  return changes;
}
