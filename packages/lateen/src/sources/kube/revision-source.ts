/**
 * What of a cluster is for one control-plane revision: objects of the mesh's kinds with a label
 * `istio.io/rev` only where it names the revision or a tag that leads to it, all others always (istio.io,
 * "Canary Upgrades"; Istio itself leaves tags out here, so that an object labelled with one has no effect).
 */
import type { JsonObject, Kind } from "../../api/kind.ts";
import { REVISION_LABEL } from "../../api/revision-label.ts";
import { objectName } from "../../base/object-name.ts";
import { objectAt } from "../json.ts";
import type { ObjectSource, SourceChange, SourceSink } from "../source.ts";

/** What tells of the revision's tags: `RevisionTags`. */
export interface TagSource {
  start(onTags: (tags: ReadonlySet<string>) => void): void;
  stop(): void;
}

export interface RevisionSourceOptions {
  readonly inner: ObjectSource;
  readonly revision: string;
  readonly tags: TagSource;
  /** Kinds of which revisions may have objects of their own. */
  readonly isDivided: (kind: Kind) => boolean;
}

/** An object with the label is held, so that it can be told of when a tag comes to lead here. */
interface Labelled {
  readonly label: string;
  readonly change: SourceChange;
}

export class RevisionSource implements ObjectSource {
  readonly name: string;
  readonly #options: RevisionSourceOptions;
  /** By `objectName`; undefined: it carries no label, and has been told. */
  readonly #known = new Map<string, Labelled | undefined>();
  #names: ReadonlySet<string>;
  #sink: SourceSink | undefined;
  #tagsKnown = false;
  #innerSynced = false;

  constructor(options: RevisionSourceOptions) {
    this.name = options.inner.name;
    this.#options = options;
    this.#names = new Set([options.revision]);
  }

  start(sink: SourceSink): void {
    const { inner, tags } = this.#options;
    this.#sink = sink;
    tags.start(names => this.#setTags(names));
    inner.start({
      onChanges: changes => this.#tell(changes.flatMap(change => this.#pass(change))),
      onProblems: problems => sink.onProblems(problems),
      onSynced: () => {
        this.#innerSynced = true;
        if (this.#tagsKnown) sink.onSynced();
      },
    });
  }

  stop(): void {
    this.#sink = undefined;
    this.#options.tags.stop();
    this.#options.inner.stop();
  }

  #setTags(tags: ReadonlySet<string>): void {
    const before = this.#names;
    this.#names = new Set([this.#options.revision, ...tags]);
    const changes: SourceChange[] = [];
    for (const labelled of this.#known.values()) {
      if (labelled === undefined) continue;
      const { label, change } = labelled;
      if (this.#names.has(label) === before.has(label)) continue;
      changes.push(this.#names.has(label) ? change : gone(change));
    }
    this.#tell(changes);
    const first = !this.#tagsKnown;
    this.#tagsKnown = true;
    if (first && this.#innerSynced) this.#sink?.onSynced();
  }

  #tell(changes: readonly SourceChange[]): void {
    if (changes.length > 0) this.#sink?.onChanges(changes);
  }

  /** What of a change is to be told: nothing of what was not told before and is not ours now. */
  #pass(change: SourceChange): readonly SourceChange[] {
    const { kind, namespace, name, object } = change;
    if (!this.#options.isDivided(kind)) return [change];
    const key = objectName(kind, namespace, name);
    const wasTold = this.#isTold(key);
    const label = object && labelOf(object);
    if (object === undefined) this.#known.delete(key);
    else this.#known.set(key, label === undefined ? undefined : { label, change });
    if (this.#isTold(key)) return [change];
    return wasTold ? [gone(change)] : [];
  }

  #isTold(key: string): boolean {
    if (!this.#known.has(key)) return false;
    const labelled = this.#known.get(key);
    return labelled === undefined || this.#names.has(labelled.label);
  }
}

function gone(change: SourceChange): SourceChange {
  return { ...change, object: undefined };
}

/** undefined: for every revision. An empty one is a name, too: nobody's. */
function labelOf(object: JsonObject): string | undefined {
  const label = objectAt(objectAt(object, "metadata"), "labels")[REVISION_LABEL];
  return typeof label === "string" ? label : undefined;
}
