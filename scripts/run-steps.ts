import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "node:test";

export interface Step {
  readonly name: string;
  /** A program; it fails by its exit code. */
  readonly command?: readonly string[];
  /** Or test files for node:test, as globs from the root. */
  readonly tests?: readonly string[];
  /** One file at a time, each in a process of its own (they own namespaces and ports). */
  readonly serial?: boolean;
  /**
   * Of serial tests: what a file has for itself, by its text. Files with the same run one after the
   * other, and beside those with another.
   */
  readonly lane?: (text: string) => string;
  /** Makes what all its tests share; what it returns takes that away again. */
  readonly prepare?: () => Promise<() => Promise<void>>;
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Timed {
  readonly name: string;
  readonly ms: number;
}

const root = join(import.meta.dirname, "..");
const support = (name: string): string => join(root, "packages/lateen/test/support", name);

/**
 * Runs every step, also after one has failed, and ends with a line `N passed, N failed, N skipped`.
 * Returns the exit code. In CI a skip is a failure: nothing may be left untried there.
 */
export async function runSteps(steps: readonly Step[]): Promise<number> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const timed: Timed[] = [];
  for (const step of steps) {
    const started = performance.now();
    if (step.command !== undefined) runCommand(step.name, step.command, counts);
    if (step.tests !== undefined) await runTests(step, step.tests, counts, timed);
    console.log(`-- ${step.name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
  printSlowest(timed);
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  const skipsFail = process.env["CI"] !== undefined && counts.skipped > 0;
  if (skipsFail) console.error("CI: a skipped test counts as a failure");
  return counts.failed > 0 || skipsFail ? 1 : 0;
}

function runCommand(name: string, command: readonly string[], counts: Counts): void {
  const [file = "", ...args] = command;
  const result = spawnSync(file, args, { cwd: root, stdio: "inherit" });
  if (result.status === 0) counts.passed++;
  else {
    counts.failed++;
    console.error(`FAILED ${name}`);
  }
}

async function runTests(
  step: Step,
  globs: readonly string[],
  counts: Counts,
  timed: Timed[],
): Promise<void> {
  const only = process.env["LATEEN_TEST"];
  const files = globs
    .flatMap(glob => globSync(glob, { cwd: root }))
    .filter(file => only === undefined || file.includes(only))
    .map(file => join(root, file))
    .sort();
  if (files.length === 0) return;
  const release = await prepared(step, counts);
  if (release === undefined) return;
  try {
    await runFiles(files, step, counts, timed);
  } finally {
    await release();
  }
}

/** Undefined, and a failure counted, where what the tests share could not be made. */
async function prepared(step: Step, counts: Counts): Promise<(() => Promise<void>) | undefined> {
  try {
    return (await step.prepare?.()) ?? (async () => {});
  } catch (error) {
    counts.failed++;
    console.error(`FAILED ${step.name}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

async function runFiles(
  files: readonly string[],
  { serial = false, lane = () => "" }: Step,
  counts: Counts,
  timed: Timed[],
): Promise<void> {
  // Properties are tried on the same values each time, so that a check says the same tomorrow; what
  // other values find is the soak's matter.
  const isProperty = (file: string) => textOf(file).includes("fast-check");
  const { properties = [], others = [] } = Object.groupBy(files, file =>
    isProperty(file) ? "properties" : "others",
  );
  const shared = { concurrency: serial ? 1 : 2, isolation: "process" } as const;
  const start = async (together: readonly string[], ...preloaded: readonly string[]) => {
    const modules = ["compile-cache.ts", ...preloaded];
    const execArgv = modules.flatMap(name => ["--import", support(name)]);
    await consume(run({ ...shared, files: [...together], execArgv }), counts, timed);
  };
  // A lane without a file is none: node:test looks for files of its own where it is given none.
  const lanes = Object.groupBy(others, file => lane(textOf(file)));
  await Promise.all(Object.values(lanes).map(each => start(each ?? [])));
  if (properties.length > 0) await start(properties, "fixed-seed.ts");
}

function textOf(file: string): string {
  return readFileSync(file, "utf8");
}

async function consume(
  stream: ReturnType<typeof run>,
  counts: Counts,
  timed: Timed[],
): Promise<void> {
  await new Promise<void>((done, fail) => {
    stream.on("test:pass", event => {
      if (event.details.type === "suite" || isFile(event.name)) return;
      const skipped = event.skip !== undefined && event.skip !== false;
      if (skipped) {
        counts.skipped++;
        console.log(
          `SKIPPED ${event.name}: ${event.skip === true ? "no reason given" : event.skip}`,
        );
      } else {
        counts.passed++;
        timed.push({ name: event.name, ms: event.details.duration_ms });
      }
    });
    stream.on("test:fail", event => {
      if (event.details.type === "suite" && event.details.error.message.includes("subtest")) return;
      counts.failed++;
      const cause: unknown = event.details.error.cause ?? event.details.error;
      console.error(`FAILED ${event.file ?? ""} ${event.name}`);
      console.error(cause instanceof Error ? (cause.stack ?? cause.message) : cause);
    });
    stream.on("test:stderr", event => void process.stderr.write(event.message));
    stream.on("test:stdout", event => void process.stdout.write(event.message));
    stream.on("end", done);
    stream.on("error", fail);
    // Nothing flows, and nothing ends, until somebody reads.
    stream.resume();
  });
}

/** With a process a file, node:test reports the file itself as a test too. */
function isFile(name: string): boolean {
  return name.endsWith(".test.ts") || name.endsWith(".test.mjs");
}

function printSlowest(timed: readonly Timed[]): void {
  const slowest = [...timed].sort((a, b) => b.ms - a.ms).slice(0, 10);
  if (slowest.length === 0) return;
  console.log("slowest tests:");
  for (const test of slowest)
    console.log(`  ${(test.ms / 1000).toFixed(2).padStart(8)} s  ${test.name}`);
}
