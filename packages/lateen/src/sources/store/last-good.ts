/** Last good objects in the store's file, so that a bad object keeps its row over a restart. */
import type { Json, JsonObject } from "../../api/kind.ts";
import type { Log } from "../../base/log.ts";
import { isObject } from "../json.ts";
import type { Database } from "./database.ts";

/** Satisfies the input writer's `LastGood`. */
export class StoredLastGood {
  readonly #database: Database;
  readonly #log: Log;
  readonly #rows = new Map<string, JsonObject>();

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
    for (const { kind, key, json } of database.lastGood()) {
      const object: Json = JSON.parse(json);
      if (isObject(object)) this.#rows.set(`${kind} ${key}`, object);
    }
  }

  get(kind: string, key: string): JsonObject | undefined {
    return this.#rows.get(`${kind} ${key}`);
  }

  put(kind: string, key: string, object: JsonObject): void {
    this.#rows.set(`${kind} ${key}`, object);
    this.#write(() => this.#database.putLastGood({ kind, key, json: JSON.stringify(object) }));
  }

  remove(kind: string, key: string): void {
    if (!this.#rows.delete(`${kind} ${key}`)) return;
    this.#write(() => this.#database.removeLastGood(kind, key));
  }

  /** A full disk costs the memory of a restart, not the work at hand. */
  #write(run: () => void): void {
    try {
      run();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error("cannot keep a last good object", { error: text });
    }
  }
}
