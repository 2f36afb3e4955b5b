const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface Interruption {
  /** The first signal that asks the process to end; further ones change nothing. */
  readonly signal: Promise<NodeJS.Signals>;
  /** Aborted at that moment. */
  readonly aborted: AbortSignal;
  /** Lets the process end without a signal: it has failed to become what it should. */
  release(): void;
}

/** Keeps the process alive until a signal comes, from now on. */
export function untilSignal(): Interruption {
  const controller = new AbortController();
  // Nothing else may keep the process alive: a server with no connections does not always.
  const alive = setInterval(() => {}, 1 << 30);
  const signal = new Promise<NodeJS.Signals>(done => {
    for (const name of SIGNALS) {
      process.on(name, () => {
        clearInterval(alive);
        controller.abort();
        done(name);
      });
    }
  });
  return { signal, aborted: controller.signal, release: () => clearInterval(alive) };
}
