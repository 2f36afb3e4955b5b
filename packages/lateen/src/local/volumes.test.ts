import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import type { Look } from "./mount-plan.ts";
import { planBinds, planFiles, type VolumePlan } from "./volumes.ts";

const MACHINE: Readonly<Record<string, ReturnType<Look>>> = {
  "/etc": "directory",
  "/etc/passwd": "other",
  "/var": "directory",
  "/var/run": { link: "/run" },
  "/var/lib": "directory",
  "/lib": { link: "var/lib" },
  "/loop": { link: "loop" },
  "/gone": { link: "/no/where" },
  "/tmp": "directory",
};
const look: Look = path => MACHINE[path];

/** Files and binds in one. */
function plan(volumes: readonly JsonObject[], mounts: readonly JsonObject[]): VolumePlan {
  const decoded = podKind.decode({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { containers: [{ name: "app", image: "a", volumeMounts: mounts }], volumes },
  });
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  const files = planFiles(decoded.value, (kind, name) =>
    kind === "ConfigMap" && name === "settings" ? { "a.conf": "1", "b.conf": "2" } : undefined,
  );
  const binds = planBinds(decoded.value, decoded.value.spec.containers, look);
  return files.ok && binds.ok ? { ...files, binds: binds.binds } : files.ok ? binds : files;
}

test("a ConfigMap's keys are files; items choose and rename", () => {
  const all = plan(
    [{ name: "v", configMap: { name: "settings" } }],
    [{ name: "v", mountPath: "/etc/app/" }],
  );
  assert.ok(all.ok);
  assert.deepEqual(all.files, [
    { path: "/run/lateen/volumes/v/a.conf", content: "1" },
    { path: "/run/lateen/volumes/v/b.conf", content: "2" },
  ]);
  assert.deepEqual(all.binds, [
    {
      volume: "v",
      hostPath: undefined,
      subPath: "",
      target: "/etc/app",
      readOnly: false,
      above: "/etc",
    },
  ]);
  const items = [{ key: "b.conf", path: "sub/c.conf" }];
  const some = plan(
    [{ name: "v", configMap: { name: "settings", items } }],
    [{ name: "v", mountPath: "/etc/c.conf", subPath: "sub/c.conf" }],
  );
  assert.ok(some.ok);
  assert.deepEqual(some.files, [{ path: "/run/lateen/volumes/v/sub/c.conf", content: "2" }]);
  assert.equal(some.binds[0]?.subPath, "sub/c.conf");
});

test("what is missing is waited for, unless it is optional", () => {
  const mounts = [{ name: "v", mountPath: "/x" }];
  const missing = plan([{ name: "v", secret: { secretName: "none" } }], mounts);
  assert.deepEqual([missing.ok, !missing.ok && missing.retry], [false, true]);
  assert.ok(plan([{ name: "v", secret: { secretName: "none", optional: true } }], mounts).ok);
});

const refused: readonly (readonly [
  string,
  readonly JsonObject[],
  readonly JsonObject[],
  RegExp,
])[] = [
  [
    "the root",
    [{ name: "v", emptyDir: {} }],
    [{ name: "v", mountPath: "/" }],
    /no path to mount at/,
  ],
  [
    "out of the volume",
    [{ name: "v", emptyDir: {} }],
    [{ name: "v", mountPath: "/x", subPath: "../y" }],
    /subPath "\.\.\/y" is no path below it/,
  ],
  [
    "a path in /proc",
    [{ name: "v", emptyDir: {} }],
    [{ name: "v", mountPath: "/proc/sys" }],
    /in \/proc, where nothing can be mounted/,
  ],
  [
    "a path through a file",
    [{ name: "v", emptyDir: {} }],
    [{ name: "v", mountPath: "/etc/passwd/x" }],
    /leads through a file, or a link to nothing/,
  ],
  [
    "a link to itself",
    [{ name: "v", emptyDir: {} }],
    [{ name: "v", mountPath: "/loop/x" }],
    /leads through a file, or a link to nothing/,
  ],
  [
    "a name that Linux does not take",
    [{ name: "v", emptyDir: {} }],
    [{ name: "v", mountPath: `/${"x".repeat(256)}` }],
    /no path to mount at/,
  ],
  [
    "a hostPath that is none",
    [{ name: "v", hostPath: { path: "etc" } }],
    [{ name: "v", mountPath: "/x" }],
    /hostPath "etc" is no absolute path/,
  ],
  [
    "two at one path by another name",
    [
      { name: "v", emptyDir: {} },
      { name: "w", emptyDir: {} },
    ],
    [
      { name: "v", mountPath: "/run/x" },
      { name: "w", mountPath: "/var/run/x" },
    ],
    /two volumes at \/run\/x/,
  ],
  [
    "a kind of storage",
    [{ name: "v", persistentVolumeClaim: { claimName: "c" } }],
    [],
    /only configMap, secret, emptyDir and hostPath/,
  ],
  [
    "two at one path",
    [
      { name: "v", emptyDir: {} },
      { name: "w", emptyDir: {} },
    ],
    [
      { name: "v", mountPath: "/x" },
      { name: "w", mountPath: "/x" },
    ],
    /two volumes at \/x/,
  ],
];
for (const [name, volumes, mounts, expected] of refused)
  test(`refused: ${name}`, () => {
    const result = plan(volumes, mounts);
    assert.ok(!result.ok);
    assert.equal(result.retry, false);
    assert.match(result.message, expected);
  });

test("upper ones come first, and what has to be made is made in the folder that is there", () => {
  const paths = [
    "/a/b/c",
    "/a",
    "/etc/x/y",
    "/var/run/z",
    "/lib/deep/er",
    "/gone/x",
    "/tmp/",
    "/dev/x",
  ];
  const volumes = paths.map((_, i) => ({ name: `v${i}`, emptyDir: {} }));
  const mounts = paths.map((mountPath, i) => ({ name: `v${i}`, mountPath }));
  const planned = plan(volumes, mounts);
  assert.ok(planned.ok);
  assert.deepEqual(
    planned.binds.map(({ target, above }) => [target, above]),
    [
      ["/a", "/"],
      ["/tmp", undefined],
      ["/run/z", undefined],
      ["/dev/x", undefined],
      ["/a/b/c", undefined],
      ["/etc/x/y", "/etc"],
      ["/no/where/x", "/"],
      ["/var/lib/deep/er", "/var/lib"],
    ],
  );
});
