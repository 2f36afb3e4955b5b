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

test("one that Envoy may find too large is refused with both sizes; common large ones are not", () => {
  assert.match(
    re2("(\\pL\\pN\\pL\\pN\\pL){1000}") ?? "",
    /^a smaller regular expression: this one may compile to \d+ instructions, Envoy takes 32768$/,
  );
  for (const regex of ["\\pL{1000}", "[a-zA-Z0-9]{1,1000}", "[\\w.-]{1,253}@[\\w.-]{1,253}"])
    assert.equal(re2(regex), undefined);
});
