/** Orders by UTF-16 code units: the one order used wherever an order must be the same everywhere. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
