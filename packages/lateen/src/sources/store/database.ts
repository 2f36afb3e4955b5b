/**
 * The store's file: SQLite in WAL mode with `synchronous=FULL`, so that what was acknowledged
 * survives a kill -9 and a power cut. Objects are kept in memory too; this is the durable side.
 */
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Result } from "../../base/diagnostic.ts";

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL,
    PRIMARY KEY (resource, namespace, name)
  ) WITHOUT ROWID;
  -- The revision of the last change of each resource: a watch from there missed nothing.
  CREATE TABLE resources (resource TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE last_good (
    kind TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (kind, key)
  ) WITHOUT ROWID;
`;

export interface ObjectRow {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly json: string;
}

/** One row to write; `json` undefined deletes it. */
export interface RowChange {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly json: string | undefined;
  readonly revision: number;
}

export interface LastGoodRow {
  readonly kind: string;
  readonly key: string;
  readonly json: string;
}

/** Opens (or makes) the file; `:memory:` for tests. One process at a time may have it open. */
export function openDatabase(path: string): Result<Database> {
  try {
    if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const db = new DatabaseSync(path);
    // Secrets and the CA's key are in it.
    if (path !== ":memory:") chmodSync(path, 0o600);
    db.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    const problem = prepareSchema(db);
    if (problem !== undefined) {
      db.close();
      return failure(path, problem);
    }
    return { ok: true, value: new Database(db), diagnostics: [] };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const locked = text.includes("locked") || text.includes("busy");
    return failure(path, locked ? "it is in use by another process" : text);
  }
}

function failure(path: string, problem: string): Result<Database> {
  const message = `cannot open the store ${path}: ${problem}`;
  return {
    ok: false,
    diagnostics: [{ severity: "error", path: "", message, reason: "StoreUnavailable" }],
  };
}

function prepareSchema(db: DatabaseSync): string | undefined {
  const found = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (found > SCHEMA_VERSION)
    return `it was written by a newer version (schema ${found}, this one knows ${SCHEMA_VERSION})`;
  // Taking the write lock now makes a second process fail here, not at its first write.
  db.exec("BEGIN IMMEDIATE");
  if (found === 0) db.exec(`${SCHEMA} PRAGMA user_version=${SCHEMA_VERSION};`);
  db.exec("COMMIT");
  return undefined;
}

export class Database {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #putRevision: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#put = db.prepare(
      "INSERT INTO objects (resource, namespace, name, json) VALUES (?, ?, ?, ?) " +
        "ON CONFLICT DO UPDATE SET json = excluded.json",
    );
    this.#remove = db.prepare(
      "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?",
    );
    this.#putRevision = db.prepare(
      "INSERT INTO resources (resource, revision) VALUES (?, ?) " +
        "ON CONFLICT DO UPDATE SET revision = excluded.revision",
    );
  }

  objects(): ObjectRow[] {
    const rows = this.#db.prepare("SELECT resource, namespace, name, json FROM objects").all();
    return rows.map(row => ({
      resource: String(row["resource"]),
      namespace: String(row["namespace"]),
      name: String(row["name"]),
      json: String(row["json"]),
    }));
  }

  /** The revision of the last change of each resource. */
  revisions(): Map<string, number> {
    const rows = this.#db.prepare("SELECT resource, revision FROM resources").all();
    return new Map(rows.map(row => [String(row["resource"]), Number(row["revision"])]));
  }

  /** Writes all or nothing, and returns only when it is on the disk. Throws when it can not. */
  write(changes: readonly RowChange[]): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const { resource, namespace, name, json } of changes) {
        if (json === undefined) this.#remove.run(resource, namespace, name);
        else this.#put.run(resource, namespace, name, json);
      }
      const latest = new Map(changes.map(change => [change.resource, change.revision]));
      for (const [resource, revision] of latest) this.#putRevision.run(resource, revision);
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  lastGood(): LastGoodRow[] {
    const rows = this.#db.prepare("SELECT kind, key, json FROM last_good").all();
    return rows.map(row => ({
      kind: String(row["kind"]),
      key: String(row["key"]),
      json: String(row["json"]),
    }));
  }

  putLastGood(row: LastGoodRow): void {
    this.#db
      .prepare(
        "INSERT INTO last_good (kind, key, json) VALUES (?, ?, ?) " +
          "ON CONFLICT DO UPDATE SET json = excluded.json",
      )
      .run(row.kind, row.key, row.json);
  }

  removeLastGood(kind: string, key: string): void {
    this.#db.prepare("DELETE FROM last_good WHERE kind = ? AND key = ?").run(kind, key);
  }

  close(): void {
    this.#db.close();
  }
}
