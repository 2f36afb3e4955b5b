import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { adoptableNotAfter, formatSecretVersion, parseSecretVersion } from "./secret-version.ts";

const identity = "spiffe://cluster.local/ns/default/sa/sleep";
const issuerKeyId = "0123456789abcdef";
const now = Date.UTC(2026, 5, 1);
const lifetimeMs = 24 * 3600 * 1000;
const rules = { identity, issuerKeyId, now, lifetimeMs };

test("a version says who, by whom, until when", () => {
  const version = { identity, issuerKeyId, notAfter: now };
  const text = formatSecretVersion(version);
  assert.equal(text, `${now / 1000}.0123456789abcdef.${identity}`);
  assert.deepEqual(parseSecretVersion(text), version);
});

test("whatever a client sends, a version that is read is one that could have been written", () => {
  const anything = fc.oneof(
    fc.string({ maxLength: 3000 }),
    fc
      .tuple(fc.string(), fc.string({ maxLength: 20 }), fc.string())
      .map(([a, b, c]) => `${a}.${b}.spiffe://${c}`),
    fc
      .tuple(fc.bigInt({ min: -5n, max: 10n ** 20n }), fc.boolean())
      .map(([n, pad]) => `${pad ? "0" : ""}${n}.${issuerKeyId}.${identity}`),
  );
  fc.assert(
    fc.property(anything, text => {
      const version = parseSecretVersion(text);
      if (version !== undefined) assert.equal(formatSecretVersion(version), text);
      const notAfter = adoptableNotAfter(text, rules);
      if (notAfter === undefined) return;
      assert.ok(notAfter > now + lifetimeMs / 2 && notAfter <= now + lifetimeMs);
    }),
    { numRuns: 500 },
  );
});

test("only one's own identity, the present issuer and a believable end are adopted", () => {
  const at = (notAfter: number, change: object = {}): number | undefined =>
    adoptableNotAfter(formatSecretVersion({ identity, issuerKeyId, notAfter, ...change }), rules);
  const good = now + lifetimeMs - 3_600_000;
  assert.equal(at(good), good);
  assert.equal(at(good, { identity: `${identity}2` }), undefined);
  assert.equal(at(good, { issuerKeyId: "f".repeat(16) }), undefined);
  assert.equal(at(now + lifetimeMs + 1000), undefined, "beyond what a fresh one would have");
  assert.equal(at(now + lifetimeMs / 2), undefined, "due for rotation");
  assert.equal(at(now - 1000), undefined, "over");
});
