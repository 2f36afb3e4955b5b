/** What the graph knows of its parts, whatever the type of their rows. */
import type { Visit } from "./derivation.ts";
import type { Revision } from "./engine.ts";
import type { InputDescription, PointMap } from "./point.ts";

export interface TablePart {
  readonly kind: "input" | "derived";
  readonly name: string;
  readonly rank: number;
  readonly rowCount: number;
  /** Names of what the rows are made of. */
  readonly inputs: readonly string[];
  changedIn(key: string): Revision | undefined;
  /** What the present row was made from. */
  inputsOf(key: string): readonly InputDescription[];
  pointMaps(): Iterable<PointMap>;
}

export interface DerivedPart extends TablePart {
  readonly isDue: boolean;
  visit(): Visit;
  countRuns(): number;
}

export interface InputPart {
  applyStaged(): number;
  unstage(): void;
}

export interface IndexPart {
  readonly name: string;
  /** Buckets that hold rows, or questions that are depended on. */
  readonly size: number;
  /** Entries held in all. */
  readonly filed: number;
  readonly collection: { readonly name: string; readonly rank: number };
  pointMaps(): Iterable<PointMap>;
}

export interface CellPart {
  readonly because: Revision | undefined;
  inputsRead(): readonly InputDescription[];
}

export interface FamilyPart {
  readonly name: string;
  readonly rank: number;
  readonly liveCount: number;
  readonly inputs: readonly string[];
  readonly points: PointMap;
  peek(key: string): CellPart | undefined;
}
