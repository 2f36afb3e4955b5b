import assert from "node:assert/strict";
import { test } from "node:test";
import { allKinds } from "../registry.ts";
import { authorizationPolicyKind } from "./kind.ts";

const kind = authorizationPolicyKind;

function warnings(rest: object): readonly string[] {
  const decoded = kind.decode({
    apiVersion: "security.istio.io/v1",
    kind: kind.kind,
    metadata: { name: "x", namespace: "default" },
    ...rest,
  });
  assert.ok(decoded.ok);
  return decoded.diagnostics
    .filter(({ reason }) => reason !== "NotCarriedOut")
    .map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
}

test("a policy without rules denies everything, which is said", () => {
  for (const rest of [{}, { spec: {} }, { spec: { selector: { matchLabels: { app: "x" } } } }])
    assert.match(
      warnings(rest).join(),
      /^warning spec\.rules: found no rule: .* denies every request/,
    );
  assert.match(warnings({ spec: { rules: [] } }).join(), /denies every request/);
  const denies = warnings({ spec: { action: "DENY" } }).join();
  assert.match(denies, /^warning spec\.rules: found no rule: action DENY .* takes no request$/);
});

test("a rule without conditions: allows all, or denies all", () => {
  assert.deepEqual(warnings({ spec: { rules: [{}] } }), []);
  assert.match(warnings({ spec: { action: "DENY", rules: [{}] } }).join(), /denies every request/);
  const rules = [{ to: [{ operation: { methods: ["GET"] } }] }];
  assert.deepEqual(warnings({ spec: { action: "DENY", rules } }), []);
});

test("of each kind that is not carried out, an empty object says so, too", () => {
  const whole = allKinds.filter(each => {
    return each.schema.properties?.get("spec")?.notYet === true;
  });
  assert.ok(whole.length >= 6, `${whole.map(each => each.kind)}`);
  for (const { kind: name, group, versions, decode } of whole)
    for (const spec of [{}, { spec: {} }]) {
      const version = `${group}/${versions[0]}`;
      const metadata = { name: "x", namespace: "default" };
      const decoded = decode({ apiVersion: version, kind: name, metadata, ...spec });
      // Some want more.
      if (!decoded.ok) continue;
      assert.ok(
        decoded.diagnostics.some(each => /everything in this object/.test(each.message)),
        `${name} ${JSON.stringify(spec)}`,
      );
    }
});
