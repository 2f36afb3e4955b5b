/** The comparison's answers as text. */
import type { CaseResult } from "./compare.ts";
import type { ControlResult } from "./control.ts";
import type { Json } from "./json.ts";
import type { IntendedDifference } from "./rewrite.ts";

const SHOWN_LENGTH_MAX = 400;

/** One block for each difference; those that several proxies share are shown once. */
export function differenceLines(caseName: string, result: CaseResult): string[] {
  const where = new Map<string, string[]>();
  for (const { type, resource, path, expected, got, proxy } of result.found) {
    const block = [
      `${caseName} ${type} ${resource}: ${path === "" ? "the whole resource" : path}`,
      `    expected ${shown(expected)}`,
      `    got      ${shown(got)}`,
    ].join("\n");
    const proxies = where.get(block);
    if (proxies === undefined) where.set(block, [proxy]);
    else proxies.push(proxy);
  }
  return [...where].map(([block, proxies]) => `${block}\n    in ${proxies.join(", ")}`);
}

/** How often each intended difference applied; those that never did stand out. */
export function appliedLines(
  intended: readonly IntendedDifference[],
  results: readonly CaseResult[],
): string[] {
  return intended.map(({ name, reason }) => {
    const count = results.reduce((sum, each) => sum + (each.applied.get(name) ?? 0), 0);
    return `${count === 0 ? "never" : `${count} times`}: ${name} (${reason})`;
  });
}

export function controlLines(result: ControlResult): string[] {
  const share = result.leaves === 0 ? 0 : result.live / result.leaves;
  const lines = [
    `control: ${result.leaves} leaves of the reference, ${percent(share)} live: changing them is reported`,
    `control: ${result.rewritten} leaves are taken by an intended difference, ${result.hidden.length} of them hidden by it`,
  ];
  for (const path of result.hidden) lines.push(`hidden: ${path}`);
  for (const path of result.blind) lines.push(`NOT SEEN: ${path}`);
  return lines;
}

function percent(share: number): string {
  return `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
}

function shown(value: Json | undefined): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text;
}
