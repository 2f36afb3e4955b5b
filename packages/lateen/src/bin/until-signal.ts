const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Ctrl-C comes twice where npm hands on to its script what the terminal has sent to both. */
const SAME_MS = 1_000;

export interface Interruption {
  /** The first signal that asks the process to end. */
  readonly signal: Promise<NodeJS.Signals>;
  /** Aborted at that moment. */
  readonly aborted: AbortSignal;
  /** Lets the process end without a signal: it has failed to become what it should. */
  release(): void;
}

/**
 * Keeps the process alive until a signal comes, from now on. `onImpatience` is called once when
 * another one follows: somebody does not want to wait for an end in order.
 */
export function untilSignal(onImpatience: () => void = () => {}): Interruption {
  const controller = new AbortController();
  // Nothing else may keep the process alive: a server with no connections does not always.
  const alive = setInterval(() => {}, 1 << 30);
  let first: number | undefined;
  let impatient = false;
  const signal = new Promise<NodeJS.Signals>(done => {
    const onSignal = (name: NodeJS.Signals): void => {
      const now = performance.now();
      first ??= now;
      if (now - first > SAME_MS && !impatient) {
        impatient = true;
        onImpatience();
      }
      clearInterval(alive);
      controller.abort();
      done(name);
    };
    for (const name of SIGNALS) process.on(name, onSignal);
  });
  return { signal, aborted: controller.signal, release: () => clearInterval(alive) };
}

/**
 * For what has to end in order: output that nobody reads any more (`lateen up | head`, a terminal that
 * was closed) is lost, and nothing else happens.
 */
export function goOnWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.removeAllListeners("error").on("error", () => {});
}
