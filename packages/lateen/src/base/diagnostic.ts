/** What a user got wrong, or should know, about one field of one object. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  /** JSON path inside the object, e.g. `spec.http[0].route[1].weight`. Empty: the whole object. */
  readonly path: string;
  /** Says what was found and what would be right. */
  readonly message: string;
  /** Stable machine-readable reason, e.g. `UnknownField`, `NotCarriedOut`, `WrongType`. */
  readonly reason: string;
  /**
   * A warning about an object that is stored, which is read and takes effect; what is new is refused for
   * it (`asNew`). For rules that objects which an earlier version took may break.
   */
  readonly newOnly?: true;
}

/** What is to be said about an object that is not stored yet. */
export function asNew(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.map(each => {
    if (each.newOnly !== true) return each;
    const { newOnly: _newOnly, ...rest } = each;
    return { ...rest, severity: "error" };
  });
}

/** The message, with what it means for an object that is stored. */
export function messageOf({ message, newOnly }: Diagnostic): string {
  return newOnly === true
    ? `${message} (what is stored stays in force, new objects are refused)`
    : message;
}

/** Expected failures are returned, bugs are thrown. */
export type Result<T> =
  | { readonly ok: true; readonly value: T; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };
