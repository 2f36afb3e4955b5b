/** Differences of texts by lines, and their unified form. */

export interface Edit {
  /** As the unified form marks it: in both, only before, only after. */
  readonly kind: " " | "-" | "+";
  readonly line: string;
}

/** Beyond so many edits nobody reads them: what is left is then all removed and all added. */
const MAX_EDITS = 1_000;

/** A shortest way from `before` to `after` (E. Myers, An O(ND) Difference Algorithm, 1986). */
export function lineDiff(before: readonly string[], after: readonly string[]): Edit[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const mark = (kind: Edit["kind"], lines: readonly string[]): Edit[] =>
    lines.map(line => ({ kind, line }));
  const a = before.slice(start, before.length - end);
  const b = after.slice(start, after.length - end);
  return [
    ...mark(" ", before.slice(0, start)),
    ...(shortest(a, b) ?? [...mark("-", a), ...mark("+", b)]),
    ...mark(" ", before.slice(before.length - end)),
  ];
}

/** How far each diagonal reaches after each number of edits, then the way back along it. */
function shortest(a: readonly string[], b: readonly string[]): Edit[] | undefined {
  const reached: Map<number, number>[] = [];
  let last = new Map<number, number>([[1, 0]]);
  for (let edits = 0; edits <= Math.min(a.length + b.length, MAX_EDITS); edits++) {
    const next = new Map<number, number>();
    for (let k = -edits; k <= edits; k += 2) {
      let x = isDown(last, k, edits) ? (last.get(k + 1) ?? 0) : (last.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, reached, edits);
    }
    reached.push(next);
    last = next;
  }
  return undefined;
}

/** The furthest point of diagonal `k` comes from the one above it, by a line of `after`. */
function isDown(last: ReadonlyMap<number, number>, k: number, edits: number): boolean {
  return k === -edits || (k !== edits && (last.get(k - 1) ?? -1) < (last.get(k + 1) ?? -1));
}

function walkBack(
  a: readonly string[],
  b: readonly string[],
  reached: readonly ReadonlyMap<number, number>[],
  total: number,
): Edit[] {
  const edits: Edit[] = [];
  let x = a.length;
  let y = b.length;
  for (let count = total; count > 0; count--) {
    const last = reached[count - 1] ?? new Map<number, number>();
    const k = x - y;
    const down = isDown(last, k, count);
    const from = down ? k + 1 : k - 1;
    const fromX = last.get(from) ?? 0;
    const middle = down ? fromX : fromX + 1;
    for (; x > middle; x--) edits.push({ kind: " ", line: a[x - 1] ?? "" });
    edits.push(
      down ? { kind: "+", line: b[fromX - from] ?? "" } : { kind: "-", line: a[fromX] ?? "" },
    );
    x = fromX;
    y = fromX - from;
  }
  for (; x > 0; x--) edits.push({ kind: " ", line: a[x - 1] ?? "" });
  return edits.reverse();
}

/** The unified form with `context` lines around each change; "" where nothing differs. */
export function unifiedDiff(
  edits: readonly Edit[],
  names: { readonly from: string; readonly to: string },
  context: number,
): string {
  const hunks = hunksOf(edits, context);
  if (hunks.length === 0) return "";
  let at = 0;
  let linesBefore = 0;
  let linesAfter = 0;
  const skip = (edits: readonly Edit[]): void => {
    linesBefore += count(edits, "+");
    linesAfter += count(edits, "-");
  };
  const texts = hunks.map(({ start, end }) => {
    skip(edits.slice(at, start));
    const inside = edits.slice(start, end);
    const a = range(linesBefore, count(inside, "+"));
    const b = range(linesAfter, count(inside, "-"));
    skip(inside);
    at = end;
    const lines = inside.map(({ kind, line }) => `${kind}${line}\n`).join("");
    return `@@ -${a} +${b} @@\n${lines}`;
  });
  return `--- ${names.from}\n+++ ${names.to}\n${texts.join("")}`;
}

function hunksOf(
  edits: readonly Edit[],
  context: number,
): { readonly start: number; readonly end: number }[] {
  const hunks: { start: number; end: number }[] = [];
  edits.forEach((edit, i) => {
    if (edit.kind === " ") return;
    const start = Math.max(0, i - context);
    const end = Math.min(edits.length, i + 1 + context);
    const last = hunks.at(-1);
    if (last !== undefined && start <= last.end) last.end = end;
    else hunks.push({ start, end });
  });
  return hunks;
}

/** Lines of one side: all but those that only the other has. */
function count(edits: readonly Edit[], except: "+" | "-"): number {
  return edits.reduce((sum, edit) => sum + (edit.kind === except ? 0 : 1), 0);
}

/** From 1; a range without lines names the one before it. */
function range(before: number, length: number): string {
  if (length === 1) return String(before + 1);
  return `${length === 0 ? before : before + 1},${length}`;
}
