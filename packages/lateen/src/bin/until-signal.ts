const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Resolves with the first signal that asks the process to end; further ones change nothing. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise(done => {
    // Nothing else may keep the process alive: a server with no connections does not always.
    const alive = setInterval(() => {}, 1 << 30);
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        clearInterval(alive);
        done(signal);
      });
    }
  });
}
