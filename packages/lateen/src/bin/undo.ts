import type { Log } from "../base/log.ts";

/** Things to undo, last one first, whatever happens on the way. */
export class Undo {
  readonly #steps: (() => Promise<void> | void)[] = [];
  push(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }
  async run(log: Log): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        log.error("cleaning up", { error: error instanceof Error ? error.message : String(error) });
      }
    }
  }
}
