import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import { mountScript, planVolumes, type VolumePlan } from "./volumes.ts";

function plan(volumes: readonly JsonObject[], mounts: readonly JsonObject[]): VolumePlan {
  const decoded = podKind.decode({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { containers: [{ name: "app", image: "a", volumeMounts: mounts }], volumes },
  });
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  return planVolumes(decoded.value, (kind, name) =>
    kind === "ConfigMap" && name === "settings" ? { "a.conf": "1", "b.conf": "2" } : undefined,
  );
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
    { source: "/run/lateen/volumes/v", target: "/etc/app", readOnly: false },
  ]);
  const items = [{ key: "b.conf", path: "sub/c.conf" }];
  const some = plan(
    [{ name: "v", configMap: { name: "settings", items } }],
    [{ name: "v", mountPath: "/etc/c.conf", subPath: "sub/c.conf" }],
  );
  assert.ok(some.ok);
  assert.deepEqual(some.files, [{ path: "/run/lateen/volumes/v/sub/c.conf", content: "2" }]);
  assert.equal(some.binds[0]?.source, "/run/lateen/volumes/v/sub/c.conf");
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
    /no path/,
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

test("paths are quoted for the shell", () => {
  const script = mountScript([
    { source: "/run/lateen/volumes/v", target: "/etc/it's; reboot", readOnly: true },
  ]);
  assert.match(script, /bind_volume '\/run\/lateen\/volumes\/v' '\/etc\/it'\\''s; reboot' bind,ro/);
  assert.equal(mountScript([]), "");
});
