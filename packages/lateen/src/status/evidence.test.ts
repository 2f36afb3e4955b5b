import assert from "node:assert/strict";
import { test } from "node:test";
import { disputeText, plainText, rejectionText, weigh } from "./evidence.ts";
import type { Rejection } from "./object-report.ts";

function rejected(resource: string, ...namespaces: readonly string[]): Rejection {
  const proxy = `p.${namespaces[0] ?? ""}`;
  return { type: "CDS", resource, message: "no", proxies: 1, proxy, namespaces };
}

test("whose word counts against an object", () => {
  const cases: readonly (readonly [readonly Rejection[], number, number])[] = [
    [[rejected("a", "shop")], 1, 0],
    [[rejected("a", "istio-system")], 1, 0],
    [[rejected("a", "evil")], 0, 1],
    [[rejected("a")], 0, 1],
    [[rejected("a", "evil", "evil2")], 0, 1],
    [[rejected("a", "x", "y", "z")], 1, 0],
    [[rejected("a", "x"), { ...rejected("a", "y"), message: "also" }, rejected("b", "z")], 0, 3],
    [[rejected("a", "shop"), { ...rejected("a", "evil"), message: "pay me" }], 1, 0],
  ];
  for (const [list, confirmed, disputed] of cases) {
    const found = weigh(list, "shop", "istio-system");
    assert.equal(found.confirmed.length, confirmed, JSON.stringify(list));
    assert.equal(found.disputed.length, disputed, JSON.stringify(list));
    assert.ok(found.confirmed.every(each => each.message !== "pay me"));
  }
  assert.equal(weigh([rejected("a")], "", "istio-system").confirmed.length, 0);
});

test("texts from outside are plain, bounded and quoted", () => {
  assert.equal(plainText("a\n\u001b[31m\u202e\u2028b\ud800", 100), "a [31m b");
  assert.equal(plainText("x".repeat(9), 4), "xxxx...");
  const odd = { ...rejected("a", "evil"), message: 'fine"; proxy q.shop rejected "b', proxies: 3 };
  assert.equal(
    rejectionText(odd),
    'proxy p.evil rejected CDS a: "fine\\"; proxy q.shop rejected \\"b" (and 2 more did)',
  );
  assert.doesNotMatch(disputeText(odd), /fine/);
});
