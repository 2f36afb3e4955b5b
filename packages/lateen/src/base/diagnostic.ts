/** What a user got wrong, or should know, about one field of one object. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  /** JSON path inside the object, e.g. `spec.http[0].route[1].weight`. Empty: the whole object. */
  readonly path: string;
  /** Says what was found and what would be right. */
  readonly message: string;
  /** Stable machine-readable reason, e.g. `UnknownField`, `NotCarriedOut`, `WrongType`. */
  readonly reason: string;
}

/** Expected failures are returned, bugs are thrown. */
export type Result<T> =
  | { readonly ok: true; readonly value: T; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };
