/** The version before this one on a cluster: its program, and its images under a tag of their own. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { BEFORE_COMPACT_METRICS, extractCommit } from "./earlier-version.ts";
import type { KubeCluster, Ran } from "./kube-cluster.ts";
import { programOn } from "./lateen-command.ts";

/** What its images and its program are made of. */
const PARTS = [
  ...["packages/lateen/bin", "packages/lateen/src", "packages/lateen/package.json"],
  ...["scripts", "samples", "tsconfig.json", "package.json", "package-lock.json", "LICENSE"],
];
const IMAGES = ["pilot", "proxyv2"];
/** Its layers are made in seconds, and then kept. */
const TIMEOUT_MS = 300_000;

export class EarlierOnKube {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Out of this repository's history, by its own scripts. */
  static make(): EarlierOnKube {
    const directory = mkdtempSync(join(tmpdir(), "lateen-earlier-"));
    extractCommit(BEFORE_COMPACT_METRICS, directory, ...PARTS);
    return new EarlierOnKube(directory);
  }

  /** Into the cluster's node, where pods find them by this tag. */
  async loadImages(cluster: KubeCluster, tag: string): Promise<void> {
    const out = join(this.#directory, "images");
    const script = join(this.#directory, "scripts/images.ts");
    const flags = ["--tag", tag, "--only", IMAGES.join(","), "--out", out];
    await promisify(execFile)(process.execPath, [script, ...flags], { timeout: TIMEOUT_MS });
    for (const image of IMAGES) await cluster.loadImage(join(out, `${image}.tar`));
    rmSync(out, { recursive: true });
  }

  /** What its `lateen` printed; fails the test where it fails. */
  async lateen(cluster: KubeCluster, ...words: readonly string[]): Promise<string> {
    const program = join(this.#directory, "packages/lateen/bin/lateen.mjs");
    const { code, stdout, stderr }: Ran = await programOn(program, cluster, ...words);
    assert.equal(code, 0, `earlier lateen ${words.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
