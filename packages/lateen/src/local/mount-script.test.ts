/** Any pod's volumes make a script that a shell can read, that ends, and in which every path is one word. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { podKind } from "../api/pod/kind.ts";
import { type Look, placeOf } from "./mount-plan.ts";
import { mountScript } from "./mount-script.ts";
import { quote } from "./quote.ts";
import { planBinds, type VolumeBind } from "./volumes.ts";

const part = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "-rf",
    "$(reboot)",
    "`id`",
    "it's",
    'a "b"',
    "new\nline",
    " ",
    "..",
    ".",
  ),
  fc.constantFrom("etc", "run", "dev", "tmp", "\\", "*", ";", "&", "#", "ä", "a,b", "lowerdir=x"),
  fc.string({ maxLength: 12 }),
);
const path = fc.array(part, { maxLength: 12 }).map(parts => `/${parts.join("/")}`);
const mount = fc.record({
  name: fc.constantFrom("empty", "host", "words"),
  mountPath: path,
  subPath: fc.oneof(
    fc.constant(""),
    fc.array(part, { maxLength: 4 }).map(parts => parts.join("/")),
  ),
  readOnly: fc.boolean(),
});
const kinds: readonly ReturnType<Look>[] = ["directory", "other", undefined];
const entry = fc.oneof(
  fc.constantFrom(...kinds),
  path.map(link => ({ link })),
  part.map(link => ({ link })),
);

test("a script that a shell can read, whatever the pod mounts", () => {
  const property = fc.property(
    fc.array(mount, { maxLength: 8 }),
    path,
    fc.func(entry),
    path,
    (volumeMounts, hostPath, at, home) => {
      const volumes = [
        { name: "empty", emptyDir: {} },
        { name: "host", hostPath: { path: hostPath } },
        { name: "words", configMap: { name: "words" } },
      ];
      const decoded = podKind.decode({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "web", namespace: "default" },
        spec: { containers: [{ name: "app", image: "a", volumeMounts }], volumes },
      });
      if (!decoded.ok) return;
      const planned = planBinds(decoded.value, decoded.value.spec.containers, path =>
        path === "/" ? "directory" : at(path),
      );
      if (!planned.ok) {
        assert.notEqual(planned.message, "");
        return;
      }
      const words = lastWords(planned.binds, home);
      assert.equal(words.length, planned.binds.length);
      for (const [i, bind] of planned.binds.entries()) {
        assert.deepEqual(words[i]?.slice(-2), [bind.target, bind.readOnly ? "bind,ro" : "bind"]);
        assert.ok(bind.target.startsWith("/") && !/^\/proc(\/|$)/.test(bind.target));
        assert.ok(!bind.target.split("/").includes(".."));
      }
    },
  );
  fc.assert(property, { numRuns: 60 });
});

/** Runs the script with functions that print their words in place of what mounts. */
function lastWords(volumes: readonly VolumeBind[], home: string): string[][] {
  const kept = home.includes("\0") ? undefined : home;
  const script = mountScript({
    programs: { "/run/lateen/bin/it's": "/opt/a b" },
    naming: { "/etc/hosts": "/run/lateen/etc/hosts" },
    volumes,
    kept,
    hidden: ["/var/lib/a b"],
  });
  const parsed = spawnSync("sh", ["-n"], { input: script, encoding: "utf8" });
  assert.equal(parsed.status, 0, `${parsed.stderr}\n${script}`);
  const lines = volumes.map(volumeLine(script));
  const print = 'volume() { for w in "$@"; do printf "%s\\000" "$w"; done; printf "\\001"; }';
  const ran = spawnSync("sh", ["-e", "-s"], { input: `${print}\n${lines.join("\n")}\n` });
  assert.equal(ran.status, 0, ran.stderr.toString("utf8"));
  const calls = ran.stdout.toString("utf8").split("\u0001").slice(0, -1);
  return calls.map(call => call.split("\0").slice(0, -1));
}

/** A line of the script may hold line ends, in quotes: it ends with what its bind says. */
function volumeLine(script: string): (bind: VolumeBind) => string {
  return ({ volume, hostPath, target, readOnly }) => {
    const end = ` ${quote(target)} ${readOnly ? "bind,ro" : "bind"}\n`;
    const start = `\nvolume '${volume}' ${hostPath === undefined ? "own" : "host"} `;
    const to = script.indexOf(end) + end.length;
    return script.slice(script.lastIndexOf(start, to - end.length) + 1, to);
  };
}

test("links are followed as Linux does, and not for ever", () => {
  const machine: Readonly<Record<string, ReturnType<Look>>> = {
    "/a": { link: "b/../c" },
    "/b": "directory",
    "/c": "directory",
    "/c/up": { link: "../b" },
    "/x": { link: "y" },
    "/y": { link: "x" },
  };
  const place = (path: string) => placeOf(path, each => machine[each]);
  assert.deepEqual(place("/a/up/new"), { path: "/b/new", above: "/b" });
  assert.deepEqual(place("/a"), { path: "/c", above: undefined });
  assert.equal(place("/x/z"), undefined);
});

test("a volume that hides the programs which mount is named, also where the shell knew their place", t => {
  const directory = mkdtempSync(join(tmpdir(), "lateen-mount-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const program = join(directory, "mount");
  const none = { programs: {}, naming: {}, volumes: [], kept: undefined, hidden: [] };
  const [functions = ""] = mountScript(none).split("exec 3<");
  const run = (hides: string) => {
    writeFileSync(program, `#!/bin/sh\n[ "$1" = --version ] || ${hides}\n`, { mode: 0o755 });
    mkdirSync(join(directory, "usr"), { recursive: true });
    const place = quote(join(directory, "usr"));
    const script = `set -e\n${functions}mount --version\nvolume data host ${place} ${place} bind\n`;
    const env = { PATH: directory };
    return spawnSync("/bin/sh", ["-c", script], { env, encoding: "utf8" });
  };
  assert.deepEqual([run(":").stderr, run(":").status], ["", 0]);
  const hidden = `volume data: at ${join(directory, "usr")} it hides the machine's programs\n`;
  const without = run(`/bin/rm ${quote(program)}`);
  assert.deepEqual([without.stderr, without.status], [hidden, 1]);
  // It is there, and the libraries that it needs are not.
  const broken = run(`echo '#!/no/such/loader' > ${quote(program)}`);
  assert.deepEqual([broken.stderr, broken.status], [hidden, 1]);
});
