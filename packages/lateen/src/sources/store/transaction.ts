/** One request's writes: visible to itself at once, to others all at once or not at all. */
import type { JsonObject, Kind } from "../../api/kind.ts";
import { objectAt, stringAt } from "../json.ts";
import type { RowChange } from "./database.ts";
import type { ObjectTables } from "./object-tables.ts";
import { resourceId, type StoredObject, type StoreEvent } from "./stored.ts";

export interface ResourceEvent {
  readonly resource: string;
  readonly event: StoreEvent;
}

export class Transaction {
  readonly tables: ObjectTables;
  /** Milliseconds since the epoch: one moment for the whole request. */
  readonly now: number;
  readonly newUid: () => string;
  readonly events: ResourceEvent[] = [];
  #revision: number;

  constructor(tables: ObjectTables, revision: number, now: number, newUid: () => string) {
    this.tables = tables;
    this.#revision = revision;
    this.now = now;
    this.newUid = newUid;
  }

  get revision(): number {
    return this.#revision;
  }

  /** RFC 3339 with seconds, as `metav1.Time` has it. */
  timestamp(offsetSeconds = 0): string {
    const at = new Date(this.now + offsetSeconds * 1000);
    return `${at.toISOString().slice(0, 19)}Z`;
  }

  /** Writes `json`, whose metadata holds everything but the resourceVersion. */
  put(kind: Kind, json: JsonObject): StoredObject {
    const metadata = objectAt(json, "metadata");
    const namespace = stringAt(metadata, "namespace");
    const name = stringAt(metadata, "name");
    const previous = this.tables.get(resourceId(kind), namespace, name);
    const object = this.#stamp(kind, json);
    this.tables.set(object);
    this.#record(previous === undefined ? "ADDED" : "MODIFIED", object, previous);
    return object;
  }

  /** Removes the object for good. */
  remove(object: StoredObject): StoredObject {
    this.tables.remove(object);
    const last = this.#stamp(object.kind, object.json);
    this.#record("DELETED", last, object);
    return last;
  }

  rowChanges(): RowChange[] {
    return this.events.map(({ resource, event }) => ({
      resource,
      namespace: event.object.namespace,
      name: event.object.name,
      json: event.type === "DELETED" ? undefined : JSON.stringify(event.object.json),
      revision: event.resourceVersion,
    }));
  }

  /** Takes everything back. */
  undo(): void {
    for (const { event } of this.events.toReversed()) {
      if (event.previous === undefined) this.tables.remove(event.object);
      else this.tables.set(event.previous);
    }
  }

  #stamp(kind: Kind, json: JsonObject): StoredObject {
    this.#revision++;
    const metadata = {
      ...objectAt(json, "metadata"),
      resourceVersion: String(this.#revision),
    };
    return {
      kind,
      namespace: stringAt(metadata, "namespace"),
      name: stringAt(metadata, "name"),
      uid: stringAt(metadata, "uid"),
      resourceVersion: this.#revision,
      json: { ...json, metadata },
    };
  }

  #record(
    type: StoreEvent["type"],
    object: StoredObject,
    previous: StoredObject | undefined,
  ): void {
    const event = { type, resourceVersion: this.#revision, object, previous };
    this.events.push({ resource: resourceId(object.kind), event });
  }
}
