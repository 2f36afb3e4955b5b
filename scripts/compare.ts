/**
 * `npm run compare -- [--control] [--all] DIR...`: what our control plane makes of reference cases,
 * against what the reference made of them. Exits with 1 on any difference that is not intended.
 */
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildCase } from "../packages/lateen/src/bin/case-resources.ts";
import { loadCase } from "../packages/lateen/src/debug/compare/case.ts";
import {
  bothRules,
  type CaseResult,
  compareCase,
  controlAll,
} from "../packages/lateen/src/debug/compare/compare.ts";
import { intendedDifferences } from "../packages/lateen/src/debug/compare/intended.ts";
import {
  appliedLines,
  controlLines,
  differenceLines,
} from "../packages/lateen/src/debug/compare/report.ts";

const LIVE_SHARE_MIN = 0.9;
const SHOWN_MAX = 200;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    control: { type: "boolean", default: false },
    all: { type: "boolean", default: false },
  },
});
process.exitCode = run(positionals);

function run(given: readonly string[]): number {
  const directories = given.flatMap(caseDirectories);
  if (directories.length === 0) {
    console.error("usage: npm run compare -- [--control] [--all] DIR...");
    console.error("DIR holds objects.yaml, mesh.yaml, proxies.json and proxies/, or such folders.");
    return 2;
  }
  const rules = bothRules(intendedDifferences);
  const results: CaseResult[] = [];
  let differing = 0;
  for (const directory of directories) {
    const loaded = loadCase(directory);
    if (!loaded.ok) {
      console.error(loaded.message);
      return 2;
    }
    const result = compareCase(loaded.value, buildCase, rules);
    results.push(result);
    differing += result.found.length;
    print(differenceLines(loaded.value.name, result));
    const { name, proxies } = loaded.value;
    const what = `${result.pairs.length} resources of ${proxies.length} proxies`;
    console.log(`${name}: ${what}, ${result.found.length} differences`);
  }
  console.log("\nintended differences applied:");
  for (const line of appliedLines(intendedDifferences, results)) console.log(`  ${line}`);
  const blind = values.control && !controlled(results, rules);
  return differing > 0 || blind ? 1 : 0;
}

function controlled(results: readonly CaseResult[], rules: ReturnType<typeof bothRules>): boolean {
  const result = controlAll(results, rules);
  print(controlLines(result));
  return result.blind.length === 0 && result.live >= result.leaves * LIVE_SHARE_MIN;
}

function print(lines: readonly string[]): void {
  const shown = values.all ? lines : lines.slice(0, SHOWN_MAX);
  for (const line of shown) console.log(line);
  if (shown.length < lines.length)
    console.log(`... and ${lines.length - shown.length} more; --all shows them`);
}

/** A case, or a folder of cases. */
function caseDirectories(given: string): string[] {
  const directory = resolve(process.env["INIT_CWD"] ?? ".", given);
  if (existsSync(join(directory, "objects.yaml")) || !existsSync(directory)) return [directory];
  return readdirSync(directory)
    .sort()
    .map(name => join(directory, name))
    .filter(each => existsSync(join(each, "objects.yaml")));
}
