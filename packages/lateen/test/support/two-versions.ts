/**
 * A checkout of Lateen whose program is now of one version and now of another, as where somebody updates
 * it under a mesh that runs. The older one comes out of this repository's history.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The last one whose sidecars have TCP metrics in their long form, and labels on every endpoint. */
export const EARLIER = "3ac6eea";

const root = join(import.meta.dirname, "../../../..");
const PROGRAM = "packages/lateen";

export type Version = "earlier" | "present";

/** undefined: the earlier version can be had. */
export function whyNoEarlier(): string | undefined {
  try {
    git("cat-file", "-e", `${EARLIER}^{commit}`);
    return undefined;
  } catch {
    return `commit ${EARLIER} is not in this repository's history (a shallow clone?)`;
  }
}

export class TwoVersions {
  readonly directory: string;
  #current: Version;

  private constructor(directory: string, current: Version) {
    this.directory = directory;
    this.#current = current;
  }

  static make(current: Version): TwoVersions {
    const directory = mkdtempSync(join(tmpdir(), "lateen-versions-"));
    const archive = git("archive", EARLIER, PROGRAM, "samples/demoapp", "bin");
    execFileSync("tar", ["-x", "-C", directory], { input: archive });
    renameSync(join(directory, PROGRAM), join(directory, "earlier"));
    mkdirSync(join(directory, "present"));
    for (const part of ["bin", "src", "package.json"])
      cpSync(join(root, PROGRAM, part), join(directory, "present", part), { recursive: true });
    // Libraries and generated code are the same for both.
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
    symlinkSync(join(root, "packages/envoy-api"), join(directory, "packages/envoy-api"));
    renameSync(join(directory, current), join(directory, PROGRAM));
    return new TwoVersions(directory, current);
  }

  get program(): string {
    return join(this.directory, PROGRAM, "bin/lateen.mjs");
  }

  /** What is started from now on is of this version. */
  use(version: Version): void {
    if (version === this.#current) return;
    renameSync(join(this.directory, PROGRAM), join(this.directory, this.#current));
    renameSync(join(this.directory, version), join(this.directory, PROGRAM));
    this.#current = version;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function git(...words: readonly string[]): Buffer {
  return execFileSync("git", ["-C", root, ...words], {
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["ignore", "pipe", "ignore"],
  });
}
