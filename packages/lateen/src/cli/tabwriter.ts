/**
 * Aligned columns as Go's text/tabwriter makes them with left-aligned cells padded by spaces, since
 * the exact widths of istioctl's tables are part of what people and scripts rely on.
 */
export interface TableOptions {
  /** Spaces between a column's widest cell and the next column: 5 in most tables, 1 in `pc listeners`. */
  readonly padding: number;
}

/** A cell that ends a line is not padded, so no line ends in spaces unless its last cell does. */
export function renderTable(rows: readonly (readonly string[])[], options: TableOptions): string {
  const widths = columnWidths(rows, options.padding);
  return rows.map(row => `${renderRow(row, widths)}\n`).join("");
}

function columnWidths(rows: readonly (readonly string[])[], padding: number): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, displayWidth(cell) + padding);
    });
  }
  return widths;
}

function renderRow(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, i) => {
      if (i === row.length - 1) return cell;
      return cell + " ".repeat(Math.max(0, (widths[i] ?? 0) - displayWidth(cell)));
    })
    .join("");
}

/** tabwriter counts code points, not bytes and not UTF-16 units. */
function displayWidth(cell: string): number {
  return [...cell].length;
}
