/** Tables as the API server renders them (meta.k8s.io/v1 Table). */

export const AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

export interface Table {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly columnDefinitions: readonly { readonly name: string; readonly priority?: number }[];
  readonly rows?: readonly {
    readonly cells: readonly unknown[];
    readonly object: {
      readonly metadata: {
        readonly name: string;
        readonly namespace?: string;
        readonly labels?: Readonly<Record<string, string>>;
      };
    };
  }[];
}

export interface TableLayout {
  readonly wide: boolean;
  /** A column before the others. */
  readonly namespace: boolean;
  /** A column behind the others. */
  readonly labels: boolean;
  readonly header: boolean;
  readonly nameOf: (name: string) => string;
  /** `deployment.apps/web` */
  readonly displayName: (name: string) => string;
}

/** The header line, then a line a row. All have the columns of the first table. */
export function tableLines(tables: readonly Table[], layout: TableLayout): string[][] {
  const columns = tables[0]?.columnDefinitions ?? [];
  const shown = columns.map(c => layout.wide || (c.priority ?? 0) === 0);
  const header = [
    ...(layout.namespace ? ["NAMESPACE"] : []),
    ...columns.filter((_, i) => shown[i]).map(c => c.name.toUpperCase()),
    ...(layout.labels ? ["LABELS"] : []),
  ];
  const rows = tables.flatMap(table => table.rows ?? []);
  const lines = rows.map(row => [
    ...(layout.namespace ? [row.object.metadata.namespace ?? ""] : []),
    ...row.cells
      .filter((_, i) => shown[i])
      .map((cell, i) => (i === 0 ? layout.nameOf(String(cell)) : cellText(cell))),
    ...(layout.labels ? [labelText(row.object.metadata.labels ?? {})] : []),
  ]);
  return [header, ...lines];
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return "";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "<none>" : pairs.sort().join(",");
}
