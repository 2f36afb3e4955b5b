/** Image archives: the same bytes each time, and what other tools expect to find in them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, describe } from "node:test";
import { link, text, tree } from "../../../../scripts/images/entries.ts";
import { type Layer, writeArchive } from "../../../../scripts/images/oci.ts";
import { spdx } from "../../../../scripts/images/sbom.ts";
import { sortedEntries, type TarEntry, writeTar } from "../../../../scripts/images/tar.ts";

const CREATED = "1970-01-01T00:00:00Z";
const folder = mkdtempSync(join(tmpdir(), "lateen-images-"));
after(() => rmSync(folder, { recursive: true }));

function at(name: string): string {
  return join(folder, name);
}

function read(archive: string, path: string): unknown {
  return JSON.parse(execFileSync("tar", ["-xOf", archive, path], { encoding: "utf8" }));
}

async function layer(name: string, entries: readonly TarEntry[]): Promise<Layer> {
  const blob = await writeTar(at(name), sortedEntries(entries));
  return { file: at(name), blob, diffId: blob.sha256, compressed: false, comment: name };
}

describe("tar archives", () => {
  test("are the same whatever order, owner or time the files have", async () => {
    mkdirSync(at("tree/a/b"), { recursive: true });
    writeFileSync(at("tree/a/b/one"), "1");
    writeFileSync(at("tree/a/two"), "2", { mode: 0o700 });
    const entries = [...tree("x", at("tree")), text("x/three", "3"), link("x/four", "three")];
    const one = await writeTar(at("1.tar"), sortedEntries(entries));
    const two = await writeTar(at("2.tar"), sortedEntries(entries.toReversed()));
    assert.deepEqual(one, two);
    const bytes = readFileSync(at("1.tar"));
    assert.equal(one.sha256, createHash("sha256").update(bytes).digest("hex"));
    assert.equal(one.size, bytes.length);
    const listed = execFileSync("tar", ["-tvf", at("1.tar"), "--utc"], { encoding: "utf8" });
    const lines = listed
      .trim()
      .split("\n")
      .map(line => line.replaceAll(/ +/g, " "));
    assert.deepEqual(lines, [
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 x/",
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 x/a/",
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 x/a/b/",
      "-rw-r--r-- 0/0 1 1970-01-01 00:00 x/a/b/one",
      "-rwxr-xr-x 0/0 1 1970-01-01 00:00 x/a/two",
      "lrwxrwxrwx 0/0 0 1970-01-01 00:00 x/four -> three",
      "-rw-r--r-- 0/0 1 1970-01-01 00:00 x/three",
    ]);
  });

  test("hold names and targets of any length", async () => {
    // Lengths around those where the count of a pax record gains a digit.
    const names = [80, 88, 89, 90, 98, 99, 100, 101, 200, 250].map(n => `f/${"x".repeat(n)}`);
    const target = "y".repeat(300);
    const entries = [...names.map(name => text(name, name)), link("f/link", target)];
    await writeTar(at("long.tar"), sortedEntries(entries));
    const listed = execFileSync("tar", ["-tf", at("long.tar")], { encoding: "utf8" });
    assert.deepEqual(listed.trim().split("\n").sort(), ["f/", "f/link", ...names].sort());
    for (const name of names) {
      const found = execFileSync("tar", ["-xOf", at("long.tar"), name], { encoding: "utf8" });
      assert.equal(found, name);
    }
    const verbose = execFileSync("tar", ["-tvf", at("long.tar"), "f/link"], { encoding: "utf8" });
    assert.ok(verbose.trim().endsWith(`-> ${target}`));
  });

  test("a file that becomes shorter while it is read is an error, not a broken archive", async () => {
    writeFileSync(at("short"), "12345");
    const content = { type: "file", source: at("short"), size: 6 } as const;
    await assert.rejects(writeTar(at("short.tar"), [{ path: "short", mode: 0o644, content }]), {
      message: /became shorter/,
    });
  });
});

describe("image archives", () => {
  test("share layers, and name each image for containerd and for docker", async () => {
    const base = await layer("base", [text("base", "b")]);
    const own = await layer("own", [text("own", "o")]);
    const config = { entrypoint: ["/own"], user: "1337:1337", environment: { A: "1" } };
    const images = [
      {
        names: ["localhost/a:1"],
        platforms: [{ architecture: "amd64", config: {}, layers: [base] }],
      },
      {
        names: ["localhost/b:1", "localhost/b:2"],
        platforms: [{ architecture: "amd64", config, layers: [base, own] }],
      },
    ] as const;
    const [, digest] = await writeArchive(at("images.tar"), images, CREATED);
    assert.deepEqual((await writeArchive(at("again.tar"), images, CREATED))[1], digest);
    assert.deepEqual(readFileSync(at("images.tar")), readFileSync(at("again.tar")));
    const index = read(at("images.tar"), "index.json") as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    const names = index.manifests.map(each => each.annotations["io.containerd.image.name"]);
    assert.deepEqual(names, ["localhost/a:1", "localhost/b:1", "localhost/b:2"]);
    assert.equal(index.manifests[2]?.digest, digest);
    const docker = read(at("images.tar"), "manifest.json") as {
      Layers: string[];
      Config: string;
    }[];
    assert.deepEqual(docker[0]?.Layers, docker[1]?.Layers.slice(0, 1));
    const found = read(at("images.tar"), docker[1]?.Config ?? "") as { config: unknown };
    assert.deepEqual(found.config, {
      User: "1337:1337",
      ExposedPorts: {},
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1"],
      Entrypoint: ["/own"],
      Cmd: null,
      WorkingDir: "/",
      Labels: {},
    });
  });

  test("of several architectures are one index under one name", async () => {
    const layers = [await layer("only", [text("only", "x")])];
    const platforms = [
      { architecture: "amd64", config: {}, layers },
      { architecture: "arm64", config: {}, layers },
    ] as const;
    const [digest = ""] = await writeArchive(
      at("many.tar"),
      [{ names: ["a/b:1"], platforms }],
      CREATED,
    );
    const inner = read(at("many.tar"), `blobs/${digest.replace(":", "/")}`) as {
      manifests: { platform: { architecture: string } }[];
    };
    assert.deepEqual(
      inner.manifests.map(each => each.platform.architecture),
      ["amd64", "arm64"],
    );
  });
});

test("a bill of materials names each part once, under the image", () => {
  const part = { name: "zlib1g", version: "1.2", purl: "pkg:deb/debian/zlib1g@1.2?arch=amd64" };
  const digest = `sha256:${"0".repeat(64)}`;
  const bill = { image: "a/b:1", digest, parts: [part, part], created: CREATED, toolVersion: "1" };
  const document = spdx(bill) as { packages: { name: string }[]; relationships: unknown[] };
  assert.deepEqual(
    document.packages.map(each => each.name),
    ["a/b:1", "zlib1g"],
  );
  assert.equal(document.relationships.length, 2);
});
