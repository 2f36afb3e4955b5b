/** What the API takes for a regular expression is what Envoy takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { programSizeBound, re2 } from "../../src/api/networking/re2.ts";
import { encodeRoutes } from "../../src/xds/encode.ts";
import { routeConfiguration } from "../../src/xds/route.ts";
import { BAD_REGEXES, GOOD_REGEXES } from "../support/regexes.ts";
import { judgedBootstrap, resourceJson } from "../support/standalone.ts";
import { validate } from "../support/validate.ts";
import { httpMatch, httpRoute } from "../support/xds-samples.ts";

/** As our own bootstrap has it. */
const MAX_PROGRAM = 32_768;

function routesWith(regexes: readonly string[], maxProgram = MAX_PROGRAM): object {
  const runtime = { re2: { max_program_size: { error_level: maxProgram } } };
  const routes = regexes.map(regex => httpRoute({ match: httpMatch({ uri: { regex } }) }));
  const host = { hostname: "a.b", port: 80, domains: ["a.b"], requireTls: false, routes };
  const input = { name: "80", port: 80, fallback: "NONE", vhds: false } as const;
  const message = routeConfiguration({ ...input, virtualHosts: [host] });
  return {
    ...judgedBootstrap([resourceJson(encodeRoutes(message))]),
    layeredRuntime: { layers: [{ name: "static", staticLayer: runtime }] },
  };
}

test("Envoy takes all the good ones", async () => {
  await validate(routesWith(GOOD_REGEXES));
});

for (const regex of BAD_REGEXES)
  test(`Envoy refuses ${regex}`, () =>
    assert.rejects(validate(routesWith([regex])), /error initializing configuration/));

/** Shapes that are large, or have many instructions for few characters. */
const LARGE = [
  "\\pL{1000}",
  "[^x]{1000}",
  "(a{10}){100}",
  "[\\w.-]{1,253}@[\\w.-]{1,253}",
  "(?i)[a-z_]{99}",
];

for (const regex of [...GOOD_REGEXES, ...LARGE])
  test(`our bound holds what Envoy makes of ${regex}`, async () => {
    const refusal = await validate(routesWith([regex], 1)).then(() => "", String);
    const size = Number(/program size of (\d+)/.exec(refusal)?.[1] ?? 1);
    const bound = programSizeBound(regex) ?? 0;
    assert.ok(size <= bound, `Envoy: ${size}, our bound: ${bound}`);
  });

test("one that is too large is refused by both", async () => {
  const regex = `(${"[\\w%:.-][^/?#]".repeat(4)}){1000}`;
  assert.match(re2(regex) ?? "", /^a smaller regular expression/);
  await assert.rejects(validate(routesWith([regex])), /program size/);
});
