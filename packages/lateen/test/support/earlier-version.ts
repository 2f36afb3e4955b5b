/** The source of an earlier commit, to run beside today's: what it sent, and what bootstraps it made. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const REPOSITORY = join(import.meta.dirname, "../../../..");

/** The last commit whose proxies write no labels out. */
export const BEFORE_COMPACT_METRICS = "3ac6eea";

/** Why tests with the source of `commit` can not run; undefined: they can. */
export function whyNoEarlier(commit: string): string | undefined {
  try {
    git("cat-file", "-e", `${commit}^{tree}`);
    return undefined;
  } catch {
    return `this checkout has no history with commit ${commit}`;
  }
}

export interface EarlierVersion {
  /** A module by its path in packages/lateen; its types are today's, as far as they are the same. */
  load<T>(path: string): Promise<T>;
  remove(): void;
}

export function earlierVersion(commit: string): EarlierVersion {
  const directory = mkdtempSync(join(tmpdir(), `lateen-${commit}-`));
  extractCommit(commit, directory, "package.json", "packages/lateen");
  return {
    load: path => import(join(directory, "packages/lateen", path)),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** These files and folders of a commit. Dependencies and generated code are today's. */
export function extractCommit(
  commit: string,
  directory: string,
  ...paths: readonly string[]
): void {
  const input = git("archive", "--format=tar", commit, ...paths);
  execFileSync("tar", ["-x", "-C", directory], { input });
  for (const today of ["node_modules", "packages/envoy-api"])
    symlinkSync(join(REPOSITORY, today), join(directory, today));
}

function git(...args: string[]): Buffer {
  return execFileSync("git", ["-C", REPOSITORY, ...args], {
    maxBuffer: 256 << 20,
    stdio: ["ignore", "pipe", "ignore"],
  });
}
