import type { ApiObject, JsonObject, Kind } from "../api/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { Informer, type ObjectChange } from "../sources/client/informer.ts";
import { objectAt, stringAt } from "../sources/json.ts";

export interface CacheChange<T> {
  /** `namespace/name`. */
  readonly key: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

export interface CacheOptions<T extends ApiObject> {
  readonly client: ApiClient;
  readonly kind: Kind<T>;
  readonly clock: Clock;
  readonly log: Log;
}

interface Entry<T> {
  readonly value: T;
  readonly json: JsonObject;
  readonly version: number;
}

/**
 * All objects of a kind, decoded. What we wrote ourselves is in it at once, so that nobody decides on
 * a state that is already past; the store's versions are numbers that grow.
 */
export class ObjectCache<T extends ApiObject> {
  readonly #options: CacheOptions<T>;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #listeners: ((changes: readonly CacheChange<T>[]) => void)[] = [];
  readonly #informer: Informer;
  readonly #waiting: (() => void)[] = [];
  #synced = false;

  constructor(options: CacheOptions<T>) {
    this.#options = options;
    this.#informer = new Informer({
      client: options.client,
      resource: options.kind,
      clock: options.clock,
      random: Math.random,
      log: options.log,
      onChanges: changes => this.#take(changes),
    });
  }

  /** Resolves when everything there is has been seen once. */
  start(): Promise<void> {
    this.#informer.start();
    if (this.#synced) return Promise.resolve();
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  stop(): void {
    this.#informer.stop();
  }

  get(namespace: string, name: string): T | undefined {
    return this.#entries.get(`${namespace}/${name}`)?.value;
  }

  at(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  /** The object as it is stored. */
  jsonAt(key: string): JsonObject | undefined {
    return this.#entries.get(key)?.json;
  }

  all(): T[] {
    return [...this.#entries.values()].map(entry => entry.value);
  }

  inNamespace(namespace: string): T[] {
    return this.all().filter(object => object.metadata.namespace === namespace);
  }

  onChange(listener: (changes: readonly CacheChange<T>[]) => void): void {
    this.#listeners.push(listener);
  }

  /** Takes in what a write of ours has returned. */
  apply(object: JsonObject): void {
    const metadata = objectAt(object, "metadata");
    const [namespace, name] = [stringAt(metadata, "namespace"), stringAt(metadata, "name")];
    this.#take([{ namespace, name, object }]);
  }

  /** Forgets what a write of ours has removed. */
  forget(namespace: string, name: string): void {
    this.#take([{ namespace, name, object: undefined }]);
  }

  #take(changes: readonly ObjectChange[]): void {
    const told = changes.flatMap(change => this.#change(change) ?? []);
    if (told.length > 0) for (const listener of this.#listeners) listener(told);
    if (this.#informer.synced && !this.#synced) {
      this.#synced = true;
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  #change({ namespace, name, object }: ObjectChange): CacheChange<T> | undefined {
    const key = `${namespace}/${name}`;
    const before = this.#entries.get(key);
    if (object === undefined) {
      this.#entries.delete(key);
      return before && { key, before: before.value, after: undefined };
    }
    const version = Number(stringAt(objectAt(object, "metadata"), "resourceVersion"));
    if (before !== undefined && before.version >= version) return undefined;
    const decoded = this.#options.kind.decode(object);
    if (!decoded.ok) {
      const problems = decoded.diagnostics.map(d => `${d.path}: ${d.message}`).join("; ");
      this.#options.log.warn("an object in the store can not be read", { object: key, problems });
      return undefined;
    }
    this.#entries.set(key, { value: decoded.value, json: object, version });
    return { key, before: before?.value, after: decoded.value };
  }
}
