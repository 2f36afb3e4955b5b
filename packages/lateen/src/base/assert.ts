/** Thrown for bugs of ours, never for what a user got wrong. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/**
 * Stays on in production: a broken invariant must stop the row, request or stream it is in. The message
 * is put together each time: where that happens millions of times, throw a BugError instead.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}
