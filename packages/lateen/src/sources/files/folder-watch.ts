/** Tells of changes in a folder and in those within it. */
import { type FSWatcher, watch } from "node:fs";

/**
 * One watch for each folder, of its entries. Watching all of a tree at once (`recursive`) watches
 * each file, and loses a file that another is moved over: how editors and volumes write theirs.
 */
export class FolderWatch {
  readonly #onChange: () => void;
  /** Called once for each reason that a folder can not be watched. */
  readonly #onFailure: (folder: string, reason: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #failed = new Set<string>();

  constructor(onChange: () => void, onFailure: (folder: string, reason: string) => void) {
    this.#onChange = onChange;
    this.#onFailure = onFailure;
  }

  /** Watches exactly these folders; true: some were not before, and may have changed meanwhile. */
  follow(folders: readonly string[]): boolean {
    const wanted = new Set(folders);
    for (const folder of this.#watchers.keys()) if (!wanted.has(folder)) this.#drop(folder);
    let isNew = false;
    for (const folder of wanted) {
      if (!this.#watchers.has(folder) && this.#watch(folder)) isNew = true;
    }
    return isNew;
  }

  close(): void {
    for (const folder of [...this.#watchers.keys()]) this.#drop(folder);
  }

  #watch(folder: string): boolean {
    try {
      const watcher = watch(folder, { persistent: false });
      watcher.on("change", () => this.#onChange());
      watcher.on("error", error => {
        this.#drop(folder);
        this.#fail(folder, error.message);
      });
      this.#watchers.set(folder, watcher);
      return true;
    } catch (error) {
      this.#fail(folder, error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  #fail(folder: string, reason: string): void {
    const id = reason.slice(0, reason.indexOf(","));
    if (this.#failed.has(id)) return;
    this.#failed.add(id);
    this.#onFailure(folder, reason);
  }
}
