import type { FamilyPart, TablePart } from "./parts.ts";
import type { Explanation } from "./types.ts";

export function explainRow(table: TablePart, key: string): Explanation | undefined {
  const changedIn = table.changedIn(key);
  if (changedIn === undefined) return undefined;
  const { number: revision, cause } = changedIn;
  return { collection: table.name, key, revision, cause, inputs: table.inputsOf(key) };
}

/** A cell that never changed since it was first computed is explained by its newest input. */
export function explainCell(family: FamilyPart, key: string): Explanation | undefined {
  const cell = family.peek(key);
  if (cell === undefined) return undefined;
  const inputs = cell.inputsRead();
  let newest: Pick<Explanation, "revision" | "cause"> = { revision: 0, cause: undefined };
  for (const { changedAt, cause } of inputs) {
    if ((changedAt ?? 0) > newest.revision) newest = { revision: changedAt ?? 0, cause };
  }
  const { because } = cell;
  const { revision, cause } =
    because === undefined ? newest : { revision: because.number, cause: because.cause };
  return { collection: family.name, key, revision, cause, inputs };
}
