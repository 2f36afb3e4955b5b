import assert from "node:assert/strict";
import { test } from "node:test";
import { operatorRoot } from "../../test/support/plugged-ca.ts";
import { Redacted } from "../base/redacted.ts";
import { openAuthority } from "./authority.ts";
import { type CaChange, decodeChange, encodeChange, openIssuer } from "./ca-change.ts";

const now = Date.UTC(2026, 5, 1);
const hour = 3_600_000;

function change(): CaChange {
  const [a, b] = [" A", " B"].map(label => operatorRoot("ec", label, now - hour, now + hour));
  assert.ok(a !== undefined && b !== undefined);
  const opened = openAuthority(a.plugged(), now);
  assert.ok(opened.ok);
  const { issuerId, material, roots } = opened.value;
  const [ofA = ""] = roots;
  const roots2 = new Map([
    [b.pem, now - 5_000],
    [ofA, 0],
  ]);
  return { roots: roots2, switchedAt: 0, issuerId, issuer: material };
}

function decoded(data: Record<string, string>, at = now): CaChange {
  const result = decodeChange(data, at);
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

test("what is written is read again, and what signed signs", () => {
  const before = change();
  const data = encodeChange(before);
  const after = decoded(data);
  assert.deepEqual([...after.roots], [...before.roots]);
  assert.equal(after.issuerId, before.issuerId);
  assert.equal(openIssuer(after, now)?.issuerId, before.issuerId);
  assert.deepEqual(encodeChange(after), data);
  assert.doesNotMatch(JSON.stringify(after), /PRIVATE KEY/);
});

test("without what signed, or when that is over, there is no issuer", () => {
  const before = change();
  const later = decoded(encodeChange({ ...before, issuer: undefined }));
  assert.equal(openIssuer(later, now), undefined);
  assert.equal(openIssuer(decoded(encodeChange(before)), now + 2 * hour), undefined);
  const another = change().issuer;
  assert.ok(another instanceof Redacted);
  assert.equal(openIssuer(decoded(encodeChange({ ...before, issuer: another })), now), undefined);
});

test("times that are yet to come are those of a clock that goes before ours", () => {
  const data = encodeChange({ ...change(), switchedAt: now + hour });
  assert.equal(decoded(data).switchedAt, now);
});

test("what is no change is refused, by field, and nothing of it is quoted", () => {
  const good = encodeChange(change());
  const times = (fields: object): string => {
    const all = JSON.parse(good["times.json"] ?? "") as object;
    return JSON.stringify({ ...all, ...fields });
  };
  const cases: readonly [Record<string, string>, RegExp][] = [
    [{}, /times\.json/],
    [{ ...good, "times.json": "secret words" }, /times\.json/],
    [{ ...good, "times.json": "null" }, /times\.json/],
    [{ ...good, "times.json": times({ since: [1, -1] }) }, /times\.json/],
    [{ ...good, "times.json": times({ issuer: "x\n" }) }, /times\.json/],
    [{ ...good, "times.json": times({ since: [1] }) }, /root-cert\.pem.*expected 1 roots/],
    [{ ...good, "root-cert.pem": "secret words" }, /root-cert\.pem/],
    [{ ...good, "root-cert.pem": "x".repeat(300_000) }, /root-cert\.pem/],
  ];
  for (const [data, expected] of cases) {
    const result = decodeChange(data, now);
    assert.ok(!result.ok);
    const text = JSON.stringify(result.diagnostics).replaceAll('\\"', "");
    assert.match(text, expected);
    assert.doesNotMatch(text, /secret words/);
  }
});
