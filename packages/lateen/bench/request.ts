/** Requests of a load test: a failure says which request, against what. */

export interface BenchRequest {
  /** Who answers, for messages: "the control plane". */
  readonly server: string;
  readonly url: string;
  /** The same one twice must be as good as once: what fails on the way is sent again. */
  readonly init?: RequestInit;
}

export interface BenchResponse {
  readonly status: number;
  readonly text: string;
}

const ATTEMPTS = 3;
const AGAIN_AFTER_MS = 100;

/** Any answer, whatever its status; rejects when none came in three attempts. */
export async function request(asked: BenchRequest): Promise<BenchResponse> {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(asked.url, asked.init);
      return { status: response.status, text: await response.text() };
    } catch (error) {
      const message = `${nameOf(asked)}: attempt ${attempt} of ${ATTEMPTS}: ${causeOf(error)}`;
      if (attempt === ATTEMPTS) throw new Error(message, { cause: error });
      // A figure that follows may hold the time of the attempt that failed.
      process.stderr.write(`${message}; sent again\n`);
      await pause(AGAIN_AFTER_MS);
    }
  }
}

export function nameOf({ server, url, init }: BenchRequest): string {
  return `${init?.method ?? "GET"} ${url} (${server})`;
}

/** fetch says only that it failed; why is in its cause. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${causeOf(error.cause)}`;
}

export function pause(ms: number): Promise<void> {
  return new Promise(done => setTimeout(done, ms));
}
