import assert from "node:assert/strict";
import { test } from "node:test";
import { problems } from "../../../test/support/api.ts";
import { BAD_REGEXES, GOOD_REGEXES } from "../../../test/support/regexes.ts";
import { virtualServiceKind } from "../virtual-service/kind.ts";
import { re2 } from "./re2.ts";

for (const regex of GOOD_REGEXES)
  test(`good: ${regex}`, () => {
    assert.equal(re2(regex), undefined);
  });

for (const regex of BAD_REGEXES)
  test(`bad: ${regex}`, () => {
    assert.match(re2(regex) ?? "", /^a regular expression in RE2 syntax: /);
  });

test("a VirtualService with a regex that Envoy would refuse is refused itself", () => {
  const route = "route: [{destination: {host: a}}]";
  const yaml = `{hosts: [a], http: [{match: [{uri: {regex: "/(?=b)"}}], ${route}}]}`;
  assert.deepEqual(problems(virtualServiceKind, yaml), [
    'error spec.http[0].match[0].uri.regex: found "/(?=b)", want a regular expression in RE2 syntax: (?=b is not known',
  ]);
});
