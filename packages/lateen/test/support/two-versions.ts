/**
 * A checkout of Lateen whose program is now of one version and now of another, as where somebody updates
 * it under a mesh that runs. The older one comes out of this repository's history.
 */
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BEFORE_COMPACT_METRICS,
  extractCommit,
  whyNoEarlier as whyNoCommit,
} from "./earlier-version.ts";

const root = join(import.meta.dirname, "../../../..");
const PROGRAM = "packages/lateen";

export type Version = "earlier" | "present";

/** undefined: the earlier version can be had. */
export const whyNoEarlier = (): string | undefined => whyNoCommit(BEFORE_COMPACT_METRICS);

export class TwoVersions {
  readonly directory: string;
  #current: Version;

  private constructor(directory: string, current: Version) {
    this.directory = directory;
    this.#current = current;
  }

  static make(current: Version): TwoVersions {
    const directory = mkdtempSync(join(tmpdir(), "lateen-versions-"));
    extractCommit(BEFORE_COMPACT_METRICS, directory, PROGRAM, "samples/demoapp", "bin");
    renameSync(join(directory, PROGRAM), join(directory, "earlier"));
    mkdirSync(join(directory, "present"));
    for (const part of ["bin", "src", "package.json"])
      cpSync(join(root, PROGRAM, part), join(directory, "present", part), { recursive: true });
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
