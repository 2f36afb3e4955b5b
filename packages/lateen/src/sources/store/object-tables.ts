/** All objects in memory, with the indexes that lists, owners and namespaces need. */
import type { JsonObject } from "../../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../json.ts";
import { resourceId, type StoredObject } from "./stored.ts";

interface Table {
  readonly rows: Map<string, StoredObject>;
  /** Keys in order. */
  readonly sorted: string[];
}

/** Sorts by namespace, then name: names hold no character below "/". */
export function rowKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

export function ownerUids(json: JsonObject): string[] {
  const owners = arrayAt(objectAt(json, "metadata"), "ownerReferences");
  return owners.filter(isObject).map(owner => stringAt(owner, "uid"));
}

export class ObjectTables {
  readonly #tables = new Map<string, Table>();
  readonly #byUid = new Map<string, StoredObject>();
  /** Owner's uid -> uids of its dependents. */
  readonly #dependents = new Map<string, Set<string>>();
  readonly #byNamespace = new Map<string, Set<string>>();

  get(resource: string, namespace: string, name: string): StoredObject | undefined {
    return this.#tables.get(resource)?.rows.get(rowKey(namespace, name));
  }

  byUid(uid: string): StoredObject | undefined {
    return this.#byUid.get(uid);
  }

  dependentsOf(uid: string): StoredObject[] {
    return this.#resolve(this.#dependents.get(uid));
  }

  inNamespace(namespace: string): StoredObject[] {
    return this.#resolve(this.#byNamespace.get(namespace));
  }

  isNamespaceEmpty(namespace: string): boolean {
    return (this.#byNamespace.get(namespace)?.size ?? 0) === 0;
  }

  /** Keys of a resource in order, all namespaces. */
  keys(resource: string): readonly string[] {
    return this.#tables.get(resource)?.sorted ?? [];
  }

  at(resource: string, key: string): StoredObject | undefined {
    return this.#tables.get(resource)?.rows.get(key);
  }

  /** Puts the object in, in place of the one of the same name. */
  set(object: StoredObject): void {
    const resource = resourceId(object.kind);
    const table = this.#tables.get(resource) ?? { rows: new Map(), sorted: [] };
    this.#tables.set(resource, table);
    const key = rowKey(object.namespace, object.name);
    const before = table.rows.get(key);
    if (before === undefined) table.sorted.splice(placeOf(table.sorted, key), 0, key);
    else this.#unlink(before);
    table.rows.set(key, object);
    this.#byUid.set(object.uid, object);
    for (const owner of ownerUids(object.json)) addTo(this.#dependents, owner, object.uid);
    if (object.namespace !== "") addTo(this.#byNamespace, object.namespace, object.uid);
  }

  remove(object: StoredObject): void {
    const table = this.#tables.get(resourceId(object.kind));
    const key = rowKey(object.namespace, object.name);
    const present = table?.rows.get(key);
    if (table === undefined || present === undefined) return;
    this.#unlink(present);
    table.rows.delete(key);
    table.sorted.splice(placeOf(table.sorted, key), 1);
  }

  #unlink(object: StoredObject): void {
    this.#byUid.delete(object.uid);
    for (const owner of ownerUids(object.json)) removeFrom(this.#dependents, owner, object.uid);
    removeFrom(this.#byNamespace, object.namespace, object.uid);
  }

  #resolve(uids: ReadonlySet<string> | undefined): StoredObject[] {
    const objects: StoredObject[] = [];
    for (const uid of uids ?? []) {
      const object = this.#byUid.get(uid);
      if (object !== undefined) objects.push(object);
    }
    return objects;
  }
}

/** Where `key` is, or would be. */
function placeOf(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function addTo(index: Map<string, Set<string>>, key: string, value: string): void {
  const set = index.get(key);
  if (set === undefined) index.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom(index: Map<string, Set<string>>, key: string, value: string): void {
  const set = index.get(key);
  if (set === undefined) return;
  set.delete(value);
  if (set.size === 0) index.delete(key);
}
