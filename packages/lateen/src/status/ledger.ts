/**
 * What the source said last of each object that may get a status: so that nothing is written that is
 * there already, also after a restart. Statuses are kept out of the graph: one that we write changes
 * no configuration.
 */
import type { JsonObject, Kind } from "../api/kind.ts";
import { REVISION_LABEL } from "../api/revision-label.ts";
import { objectName } from "../base/object-name.ts";
import { objectAt, stringAt, withKey, withoutKey } from "../sources/json.ts";
import type { ObjectSource, SourceChange } from "../sources/source.ts";

export interface KnownObject {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number;
  readonly resourceVersion: string;
  /** Empty where there is none. */
  readonly status: JsonObject;
  /** It carries the label of a revision or tag: only control planes of that revision know it. */
  readonly ofRevision: boolean;
  /** `FILE:LINE` for objects from files. */
  readonly origin: string | undefined;
}

export interface LedgerOptions {
  /** Objects that somebody will ask about. */
  readonly keeps: (kind: Kind) => boolean;
  /** Of these nothing but us reads the status, but for the addresses of a load balancer. */
  readonly hidesStatus: (kind: Kind) => boolean;
}

const NO_STATUS: JsonObject = Object.freeze({});

export class StatusLedger {
  readonly #objects = new Map<string, KnownObject>();
  readonly #options: LedgerOptions;
  #listener: (key: string) => void = () => {};

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** By `objectName`. */
  get(key: string): KnownObject | undefined {
    return this.#objects.get(key);
  }

  entries(): IterableIterator<readonly [string, KnownObject]> {
    return this.#objects.entries();
  }

  /** Called for each object that came, changed or went. */
  onChange(listener: (key: string) => void): void {
    this.#listener = listener;
  }

  /** The same source, with the ledger listening. */
  watch(source: ObjectSource): ObjectSource {
    return {
      name: source.name,
      start: sink =>
        source.start({
          onChanges: changes => sink.onChanges(changes.map(change => this.#take(change))),
          onProblems: problems => sink.onProblems(problems),
          onSynced: () => sink.onSynced(),
        }),
      stop: () => source.stop(),
    };
  }

  /** What a write gave back: the source will tell of it, too, but later. */
  wrote(key: string, object: JsonObject): void {
    const known = this.#objects.get(key);
    if (known !== undefined) this.#objects.set(key, { ...known, ...factsOf(object) });
  }

  #take(change: SourceChange): SourceChange {
    const { kind, namespace, name, object, origin } = change;
    const { keeps, hidesStatus } = this.#options;
    if (!keeps(kind)) return change;
    const key = objectName(kind, namespace, name);
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, { kind, namespace, name, origin, ...factsOf(object) });
    this.#listener(key);
    if (object === undefined || !hidesStatus(kind)) return change;
    return { ...change, object: withoutVersions(object) };
  }
}

function factsOf(
  object: JsonObject,
): Pick<KnownObject, "generation" | "resourceVersion" | "status" | "ofRevision"> {
  const metadata = objectAt(object, "metadata");
  const { generation } = metadata;
  const status = objectAt(object, "status");
  return {
    generation: typeof generation === "number" ? generation : 0,
    resourceVersion: stringAt(metadata, "resourceVersion"),
    ofRevision: objectAt(metadata, "labels")[REVISION_LABEL] !== undefined,
    status: Object.keys(status).length === 0 ? NO_STATUS : status,
  };
}

/** An object as it is without what we write of its status: addresses of Services are others'. */
function withoutVersions(object: JsonObject): JsonObject {
  const metadata = objectAt(object, "metadata");
  const plain = withoutKey(withoutKey(metadata, "resourceVersion"), "managedFields");
  const { loadBalancer } = objectAt(object, "status");
  const rest = withKey(withoutKey(object, "status"), "metadata", plain);
  return loadBalancer === undefined ? rest : withKey(rest, "status", { loadBalancer });
}
