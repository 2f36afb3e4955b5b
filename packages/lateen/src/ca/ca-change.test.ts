import assert from "node:assert/strict";
import { test } from "node:test";
import { operatorRoot } from "../../test/support/plugged-ca.ts";
import { Redacted } from "../base/redacted.ts";
import { openAuthority } from "./authority.ts";
import { addsTo, type CaChange, decodeChange, encodeChange, openIssuer } from "./ca-change.ts";

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

function decoded(data: Record<string, string>): CaChange {
  const result = decodeChange(data);
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

test("what is written is read again, and what signed signs", () => {
  const before = change();
  const data = encodeChange(before);
  const after = decoded(data);
  assert.deepEqual(new Map(after.roots), before.roots);
  assert.equal(after.issuerId, before.issuerId);
  const opened = openIssuer(after, now);
  assert.equal(opened?.ok === true && opened.value.issuerId, before.issuerId);
  assert.deepEqual(encodeChange(after), data);
  const turned = new Map([...before.roots].reverse());
  assert.deepEqual(encodeChange({ ...before, roots: turned }), data, "whoever writes");
  assert.doesNotMatch(JSON.stringify(after), /PRIVATE KEY/);
});

test("without what signed, or when that is over, there is no issuer", () => {
  const before = change();
  const later = decoded(encodeChange({ ...before, issuer: undefined }));
  assert.equal(openIssuer(later, now), undefined);
  assert.equal(openIssuer(decoded(encodeChange(before)), now + 2 * hour)?.ok, false);
  const another = change().issuer;
  assert.ok(another instanceof Redacted);
  const mixed = openIssuer(decoded(encodeChange({ ...before, issuer: another })), now);
  assert.match(JSON.stringify(mixed), /is not of the CA that times.json names/);
});

test("what signed opens with its own roots, however many others are given out", () => {
  const before = change();
  const roots = new Map(before.roots);
  for (let i = 0; i < 12; i++)
    roots.set(operatorRoot("ec", ` ${i}`, now - hour, now + hour).pem, now - i);
  const after = decoded(encodeChange({ ...before, roots }));
  assert.equal(after.roots.size, 14);
  assert.equal(openIssuer(after, now)?.ok, true);
});

test("only what is later, more, or keeps what signs adds to what is seen", () => {
  const seen = change();
  const [[root = "", since = 0] = []] = seen.roots;
  const withRoot = (at: number): CaChange => ({
    ...seen,
    roots: new Map([...seen.roots, [root, at]]),
  });
  assert.equal(addsTo(seen, seen), false);
  assert.deepEqual(
    [addsTo(withRoot(since + 1), seen), addsTo(withRoot(since - 1), seen)],
    [...[true, false]],
  );
  assert.equal(addsTo({ ...seen, roots: new Map([["another", 0]]) }, seen), true);
  assert.equal(addsTo({ ...seen, issuerId: "AA", issuer: undefined }, seen), false);
  assert.equal(addsTo({ ...seen, issuerId: "AA", switchedAt: 1 }, seen), true);
  assert.equal(addsTo(seen, { ...seen, issuer: undefined }), true);
  assert.equal(addsTo({ ...seen, issuer: undefined }, seen), false);
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
    const result = decodeChange(data);
    assert.ok(!result.ok);
    const text = JSON.stringify(result.diagnostics).replaceAll('\\"', "");
    assert.match(text, expected);
    assert.doesNotMatch(text, /secret words/);
  }
});
