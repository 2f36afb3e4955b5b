/** What the API takes for a regular expression is what Envoy takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeRoutes } from "../../src/xds/encode.ts";
import { routeConfiguration } from "../../src/xds/route.ts";
import { BAD_REGEXES, GOOD_REGEXES } from "../support/regexes.ts";
import { judgedBootstrap, resourceJson } from "../support/standalone.ts";
import { validate } from "../support/validate.ts";
import { httpMatch, httpRoute } from "../support/xds-samples.ts";

/** As our own bootstrap has it. */
const runtime = { re2: { max_program_size: { error_level: 32768 } } };

function routesWith(regexes: readonly string[]): object {
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
