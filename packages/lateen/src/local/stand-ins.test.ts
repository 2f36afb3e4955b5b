import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { standInFor } from "./stand-ins.ts";

const root = join(import.meta.dirname, "../../../..");
const expand = (text: string): string => text.replace("$(LATEEN_ROOT)", root);

test("every sample's image that names no program of this machine has a stand-in", () => {
  const files = globSync(join(root, "samples/{bookinfo,helloworld,httpbin,tcp-echo}/**/*.yaml"));
  const images = files.flatMap(file =>
    [...readFileSync(file, "utf8").matchAll(/^\s+(?:- )?image: (\S+)$/gm)].map(found => found[1]),
  );
  assert.ok(images.length >= 10);
  for (const image of images) {
    const found = standInFor(image ?? "");
    assert.ok(found !== undefined, image);
    assert.ok(existsSync(expand(found.command[1] ?? "")), image);
  }
});

test("what the image's name says becomes the program's environment", () => {
  const reviews = standInFor("docker.io/istio/examples-bookinfo-reviews-v3:1.20.3");
  assert.deepEqual(reviews?.env, { SERVICE: "reviews", VERSION: "v3" });
  assert.equal(standInFor("ikubernetes/demoapp:v1.1")?.env["VERSION"], "v1.1");
  assert.equal(standInFor("mccutchen/go-httpbin")?.env["PORT"], undefined);
  const digest = `registry.istio.io/release/tcp-echo-server:1.3@sha256:${"0".repeat(64)}`;
  assert.ok(standInFor(digest) !== undefined);
});

test("nothing stands in for anybody else's image of the same name", () => {
  for (const image of [
    "registry.example/mccutchen/go-httpbin:1",
    "example/demoapp:v1.0",
    "ikubernetes/demoapp-extra:v1.0",
    "registry.istio.io.example/release/tcp-echo-server:1.3",
    "nginx",
    "",
  ])
    assert.equal(standInFor(image), undefined, image);
});
