/** "Did you mean": the nearest of a few known names. */

const MAX_LENGTH = 40;

/** The known name that `found` most likely stands for, or undefined. */
export function nearest(found: string, known: Iterable<string>): string | undefined {
  if (found.length > MAX_LENGTH) return undefined;
  const folded = fold(found);
  let best: string | undefined;
  let begins: string | undefined;
  let bestDistance = Math.max(found.length < 3 ? 0 : 1, Math.floor(found.length / 3)) + 1;
  for (const name of known) {
    const other = fold(name);
    if (other === folded) return name;
    if (folded.length >= 4 && other.startsWith(folded)) begins ??= name;
    if (Math.abs(name.length - found.length) >= bestDistance) continue;
    const distance = editDistance(found.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best ?? begins;
}

/** protojson takes snake_case, a CRD does not: the two spellings are the commonest mix-up. */
function fold(name: string): string {
  return name.replaceAll(/[_-]/g, "").toLowerCase();
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
