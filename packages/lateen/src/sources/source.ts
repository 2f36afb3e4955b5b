/** Where objects come from: an API server or files. Both feed the same input writer. */
import type { JsonObject, Kind } from "../api/kind.ts";

export interface SourceChange {
  readonly kind: Kind;
  /** "" for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
  /** undefined: it is gone. */
  readonly object: JsonObject | undefined;
  /** `FILE:LINE`, for sources that are text. */
  readonly origin?: string;
}

/** What is wrong with a source itself, beside any object: a file that can not be read. */
export interface SourceProblem {
  /** `FILE:LINE`. */
  readonly origin: string;
  readonly message: string;
}

export interface SourceSink {
  /** Changes that arrived together. Everything there is comes before `onSynced`. */
  onChanges(changes: readonly SourceChange[]): void;
  /** All problems that there are now; replaces what was told before. */
  onProblems(problems: readonly SourceProblem[]): void;
  /** Called once, when everything that was there at the start has been told. */
  onSynced(): void;
}

export interface ObjectSource {
  /** As causes name it: `embedded store`, `files`, ... */
  readonly name: string;
  start(sink: SourceSink): void;
  /** Nothing is told afterwards. */
  stop(): void;
}
