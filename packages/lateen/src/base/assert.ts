/** Thrown for bugs of ours, never for what a user got wrong. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/** Stays on in production: a broken invariant must stop the row, request or stream it is in. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}
