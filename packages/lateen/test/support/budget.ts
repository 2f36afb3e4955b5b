/** How long a property is tried: a fixed number of runs, or as long as `npm run soak` says. */

/** fast-check takes 32 bits; a soak ends by its time. */
const RUNS_WITHOUT_END = 2 ** 31 - 1;

interface Budget {
  readonly numRuns: number;
  readonly interruptAfterTimeLimit?: number;
}

/** For `fc.assert`. `LATEEN_SOAK_SECONDS` is the time of one property. */
export function budget(numRuns: number): Budget {
  const seconds = Number(process.env["LATEEN_SOAK_SECONDS"] ?? 0);
  if (!(seconds > 0)) return { numRuns };
  // Shrinking may take as long again; a soak says what failed, and the seed finds the rest.
  return { numRuns: RUNS_WITHOUT_END, interruptAfterTimeLimit: seconds * 1000 };
}
