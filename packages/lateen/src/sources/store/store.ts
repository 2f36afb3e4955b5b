/**
 * The embedded store: the Kubernetes API's verbs over one SQLite file, in process and synchronous.
 * Every write is one transaction and on the disk before it is answered.
 */
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { Result } from "../../base/diagnostic.ts";
import type { Log } from "../../base/log.ts";
import { isObject, objectAt, stringAt, withKey } from "../json.ts";
import { type ApiResult, forbidden, internalError, notFound, succeeded } from "../status.ts";
import { type Admission, builtInAdmission } from "./admission.ts";
import { type Database, openDatabase, type RowChange } from "./database.ts";
import { defaultHistoryLimits, History, type HistoryLimits } from "./history.ts";
import { Lifecycle, type NamespaceKinds, type PropagationPolicy } from "./lifecycle.ts";
import { type ListOptions, type ListPage, listPage } from "./listing.ts";
import { ObjectTables } from "./object-tables.ts";
import { everything, type Selection } from "./selectors.ts";
import { groupVersion, resourceId, type StoredObject } from "./stored.ts";
import { Transaction } from "./transaction.ts";
import type { FieldValidation } from "./validate.ts";
import { tooOld, Watch, type WatchOptions } from "./watch.ts";
import {
  checkPreconditions,
  createIn,
  type FieldKeeping,
  type ReplaceOptions,
  replaceIn,
} from "./write.ts";

/** Chance comes from outside, so that tests can hold it. */
export interface Ids {
  /** A UUID. */
  uid(): string;
  /** Five characters of `[a-z0-9]`, for generateName. */
  suffix(): string;
}

export interface StoreOptions {
  /** The file, or `:memory:`. */
  readonly path: string;
  /** Must hold Namespace. */
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  /** Run after the built-in ones, in order. */
  readonly admission?: readonly Admission[];
  readonly history?: Partial<HistoryLimits>;
  /** Made when missing. Default: `default`. */
  readonly namespaces?: readonly string[];
}

export interface WriteOptions extends FieldKeeping {
  readonly dryRun?: boolean;
  readonly fieldValidation?: FieldValidation;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: PropagationPolicy;
  /** Refused with a Conflict when the object is another one by now. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

/** What a deletion left: the object while something holds it, undefined when it is gone. */
export interface Deletion {
  readonly uid: string;
  readonly remaining: StoredObject | undefined;
}

/** Opens the file and loads it. Fails with a diagnostic when the file can not be used. */
export function openStore(options: StoreOptions): Result<Store> {
  const namespaceKind = options.kinds.find(kind => resourceId(kind) === "/namespaces");
  if (namespaceKind === undefined)
    return {
      ok: false,
      diagnostics: [
        {
          severity: "error",
          path: "",
          message: "the store needs the kind Namespace",
          reason: "StoreUnavailable",
        },
      ],
    };
  const opened = openDatabase(options.path);
  if (!opened.ok) return opened;
  const serviceAccount = options.kinds.find(kind => resourceId(kind) === "/serviceaccounts");
  const store = new Store(options, opened.value, { namespace: namespaceKind, serviceAccount });
  for (const name of options.namespaces ?? ["default"]) store.ensureNamespace(name);
  return { ok: true, value: store, diagnostics: [] };
}

function asOfVersion(object: StoredObject, current: StoredObject): StoredObject {
  const { resourceVersion } = current;
  const metadata = objectAt(object.json, "metadata");
  const json = withKey(object.json, "metadata", {
    ...metadata,
    resourceVersion: String(resourceVersion),
  });
  return { ...object, resourceVersion, json };
}

export class Store {
  readonly kinds: readonly Kind[];
  readonly database: Database;
  readonly #options: StoreOptions;
  readonly #namespaceKinds: NamespaceKinds;
  readonly #tables = new ObjectTables();
  readonly #history: History;
  readonly #watches = new Map<string, Set<Watch>>();
  readonly #admission: readonly Admission[];
  #revision: number;

  constructor(options: StoreOptions, database: Database, namespaceKinds: NamespaceKinds) {
    this.#options = options;
    this.kinds = options.kinds;
    this.database = database;
    this.#namespaceKinds = namespaceKinds;
    this.#admission = [...builtInAdmission, ...(options.admission ?? [])];
    const revisions = database.revisions();
    this.#history = new History({ ...defaultHistoryLimits, ...options.history }, revisions);
    this.#revision = Math.max(1, ...revisions.values());
    this.#load();
  }

  /** The revision of the last write: the resourceVersion of lists. */
  get revision(): number {
    return this.#revision;
  }

  get(kind: Kind, namespace: string, name: string): ApiResult<StoredObject> {
    const found = this.#tables.get(resourceId(kind), namespace, name);
    return found === undefined ? notFound(kind, name) : succeeded(found);
  }

  list(kind: Kind, options: ListOptions): ApiResult<ListPage> {
    return listPage(kind, this.#tables, this.#history, this.#revision, options);
  }

  /** Everything of a kind, in order of namespace and name. */
  all(kind: Kind): StoredObject[] {
    const resource = resourceId(kind);
    return this.#tables
      .keys(resource)
      .map(key => this.#tables.at(resource, key))
      .filter(object => object !== undefined);
  }

  /** Fails with 410 where the history since `options.since` is gone. */
  watch(kind: Kind, options: WatchOptions): ApiResult<Watch> {
    const resource = resourceId(kind);
    const { since } = options;
    if (since !== undefined && (since > this.#revision || !this.#history.covers(resource, since)))
      return tooOld(since);
    const watches = this.#watches.get(resource) ?? new Set();
    this.#watches.set(resource, watches);
    const source = {
      history: this.#history,
      revision: () => this.#revision,
      present: () => this.all(kind),
      onClose: (closed: Watch) => watches.delete(closed),
    };
    const watch = new Watch(kind, source, options);
    watches.add(watch);
    return succeeded(watch);
  }

  create(
    kind: Kind,
    namespace: string,
    body: JsonObject,
    options: WriteOptions = {},
  ): ApiResult<StoredObject> {
    return this.#commit(options.dryRun === true, txn => {
      const context = { txn, admission: this.#admission, suffix: this.#options.ids.suffix };
      const created = createIn(context, kind, namespace, body, {
        ...options,
        fieldValidation: options.fieldValidation ?? "Warn",
      });
      if (created.ok) new Lifecycle(txn, this.#namespaceKinds).created(created.value);
      return created;
    });
  }

  /**
   * Replaces the object by what `change` makes of it, in one step: nothing can come in between.
   * With a resourceVersion in the result that is not the current one it is a Conflict.
   */
  modify(
    kind: Kind,
    namespace: string,
    name: string,
    change: (current: JsonObject) => ApiResult<JsonObject>,
    options: WriteOptions & { readonly subresource?: ReplaceOptions["subresource"] } = {},
  ): ApiResult<StoredObject> {
    return this.#commit(options.dryRun === true, txn => {
      const current = this.#tables.get(resourceId(kind), namespace, name);
      if (current === undefined) return notFound(kind, name);
      const wanted = change(current.json);
      if (!wanted.ok) return wanted;
      const context = { txn, admission: this.#admission, suffix: this.#options.ids.suffix };
      const replaced = replaceIn(context, current, wanted.value, {
        ...options,
        fieldValidation: options.fieldValidation ?? "Warn",
        subresource: options.subresource,
      });
      // What is not written has no version of its own.
      if (replaced.ok && options.dryRun === true)
        return succeeded(asOfVersion(replaced.value, current), replaced.warnings);
      if (replaced.ok && replaced.value !== current)
        new Lifecycle(txn, this.#namespaceKinds).updated(replaced.value);
      return replaced;
    });
  }

  delete(
    kind: Kind,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
  ): ApiResult<Deletion> {
    return this.#commit(options.dryRun === true, txn =>
      this.#deleteIn(txn, kind, namespace, name, options),
    );
  }

  #deleteIn(
    txn: Transaction,
    kind: Kind,
    namespace: string,
    name: string,
    options: DeleteOptions,
  ): ApiResult<Deletion> {
    const current = this.#tables.get(resourceId(kind), namespace, name);
    if (current === undefined) return notFound(kind, name);
    // What names no namespace lives there.
    if (kind === this.#namespaceKinds.namespace && name === "default")
      return forbidden(kind, name, "this namespace may not be deleted");
    const checked = checkPreconditions(current, options.preconditions ?? {});
    if (!checked.ok) return checked;
    new Lifecycle(txn, this.#namespaceKinds).delete(current, {
      gracePeriodSeconds: options.gracePeriodSeconds,
      propagationPolicy: options.propagationPolicy ?? "Background",
    });
    return succeeded({ uid: current.uid, remaining: this.#tables.byUid(current.uid) });
  }

  /**
   * Deletes what the selection names, in one step and one write; returns the objects as they were.
   */
  deleteCollection(
    kind: Kind,
    namespace: string | undefined,
    selection: Selection = everything,
    options: DeleteOptions = {},
  ): ApiResult<readonly StoredObject[]> {
    const page = this.list(kind, { namespace, selection });
    if (!page.ok) return page;
    return this.#commit(options.dryRun === true, txn => {
      for (const object of page.value.items) {
        const deleted = this.#deleteIn(txn, kind, object.namespace, object.name, options);
        if (!deleted.ok && deleted.status.code !== 404) return deleted;
      }
      return succeeded(page.value.items);
    });
  }

  ensureNamespace(name: string): void {
    const kind = this.#namespaceKinds.namespace;
    if (this.#tables.get(resourceId(kind), "", name) !== undefined) return;
    const apiVersion = groupVersion(kind.group, kind.storageVersion);
    this.create(kind, "", { apiVersion, kind: kind.kind, metadata: { name } });
  }

  close(): void {
    for (const watches of this.#watches.values()) for (const watch of [...watches]) watch.close();
    this.database.close();
  }

  #commit<T>(dryRun: boolean, run: (txn: Transaction) => ApiResult<T>): ApiResult<T> {
    const { clock, ids } = this.#options;
    const txn = new Transaction(this.#tables, this.#revision, clock.now(), () => ids.uid());
    let result: ApiResult<T>;
    try {
      result = run(txn);
      if (!result.ok || dryRun) {
        txn.undo();
        return result;
      }
    } catch (error) {
      txn.undo();
      throw error;
    }
    if (txn.events.length === 0) return result;
    const changes = txn.rowChanges();
    try {
      this.database.write(changes);
    } catch (error) {
      txn.undo();
      const text = error instanceof Error ? error.message : String(error);
      this.#options.log.error("cannot write the store", { error: text });
      return internalError(`the store could not be written: ${text}`);
    }
    this.#publish(txn, changes);
    return result;
  }

  #publish(txn: Transaction, changes: readonly RowChange[]): void {
    this.#revision = txn.revision;
    const changed = new Set<string>();
    for (const [i, { resource, event }] of txn.events.entries()) {
      this.#history.append(resource, event, changes[i]?.json?.length ?? 0);
      changed.add(resource);
    }
    for (const resource of changed)
      for (const watch of [...(this.#watches.get(resource) ?? [])]) watch.wake();
  }

  #load(): void {
    const kinds = new Map(this.kinds.map(kind => [resourceId(kind), kind]));
    for (const row of this.database.objects()) {
      const kind = kinds.get(row.resource);
      const json: Json = JSON.parse(row.json);
      if (kind === undefined || !isObject(json)) {
        const object = `${row.namespace}/${row.name}`;
        this.#options.log.warn("kind is not known, left alone", { resource: row.resource, object });
        continue;
      }
      const metadata = isObject(json["metadata"]) ? json["metadata"] : {};
      this.#tables.set({
        kind,
        namespace: row.namespace,
        name: row.name,
        uid: stringAt(metadata, "uid"),
        resourceVersion: Number(stringAt(metadata, "resourceVersion")),
        json,
      });
    }
  }
}
