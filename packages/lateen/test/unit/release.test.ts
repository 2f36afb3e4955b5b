/** A release folder: made, then run from somewhere else than the checkout. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  globSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, describe } from "node:test";
import { parse } from "yaml";
import { PROFILES } from "../../src/install/profiles.ts";

const root = join(import.meta.dirname, "../../../..");
const out = mkdtempSync(join(tmpdir(), "lateen-release-"));
after(() => rmSync(out, { recursive: true, force: true }));
const ISTIOD = "istio-control/istio-discovery";
/** Without the checkout, its Node, and whatever Node the machine has. */
const env = { PATH: "/usr/bin:/bin", HOME: out };

describe("a release", () => {
  let folder = "";
  const run = (program: string, ...args: readonly string[]): string =>
    execFileSync(program, args, { env, cwd: out, encoding: "utf8" });

  test("is made as people expect to find it", () => {
    const flags = ["--out", out, "--hub", "registry.example/mesh", "--tag", "1.2.3"];
    const made = execFileSync(process.execPath, [join(root, "scripts/release.ts"), ...flags], {
      encoding: "utf8",
    });
    folder = made.trim().split("\n").at(-1) ?? "";
    const version = parse(readFileSync(join(folder, "manifest.yaml"), "utf8"));
    assert.deepEqual(version.docker, { hub: "registry.example/mesh", tag: "1.2.3" });
    const charts = join(folder, "manifests/charts");
    const values = parse(readFileSync(join(charts, `${ISTIOD}/values.yaml`), "utf8"));
    const { global } = values._internal_defaults_do_not_set;
    assert.deepEqual([global.hub, global.tag], ["registry.example/mesh", "1.2.3"]);
    const own = join(root, "manifests/charts");
    const paths = globSync("**/*.*", { cwd: own, withFileTypes: false }).sort();
    assert.deepEqual(globSync("**/*.*", { cwd: charts }).sort(), paths);
    const others = paths.filter(path => path !== `${ISTIOD}/values.yaml`);
    for (const path of others)
      assert.ok(readFileSync(join(charts, path)).equals(readFileSync(join(own, path))), path);
    const profiles = globSync("*.yaml", { cwd: join(folder, "manifests/profiles") });
    assert.deepEqual(profiles.sort(), PROFILES.map(name => `${name}.yaml`).sort());
    for (const path of [
      "LICENSE",
      "lib/node.LICENSE",
      "manifests/charts/base/Chart.yaml",
      "samples/addons/prometheus.yaml",
      "samples/bookinfo/platform/kube/bookinfo.yaml",
      "samples/sleep/sleep.yaml",
    ])
      assert.ok(lstatSync(join(folder, path)).isFile(), path);
    assert.equal(globSync("lib/**/*.ts", { cwd: folder }).length, 0);
  });

  test("runs with its own Node, by either name, also through a link", () => {
    const lateen = join(folder, "bin/lateen");
    assert.match(run(lateen, "profile", "list"), /^Istio configuration profiles:\n {4}default\n/);
    assert.match(run(join(folder, "bin/istioctl"), "profile", "dump", "demo"), /IstioOperator/);
    symlinkSync(lateen, join(out, "linked"));
    const profile = join(folder, "manifests/profiles/minimal.yaml");
    const manifest = run(join(out, "linked"), "manifest", "generate", "-f", profile);
    assert.match(manifest, /image: registry\.example\/mesh\/pilot:1\.2\.3\n/);
  });

  test("a copy of the program alone says what to do instead", () => {
    const copy = join(out, "copied");
    copyFileSync(join(folder, "bin/istioctl"), copy);
    const { status, stderr } = spawnSync(copy, ["version"], { env, encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, /is a copy, without the rest of the release beside it; make a link/);
  });
});
