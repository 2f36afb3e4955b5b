import assert from "node:assert/strict";
import { test } from "node:test";
import { rootRenewalFrom } from "./root-renewal-settings.ts";

const prefix = "CITADEL_SELF_SIGNED_";

test("Istio's variables are read; what is not set stays as it is", () => {
  assert.deepEqual(rootRenewalFrom({}), {});
  const env = {
    [`${prefix}ROOT_CERT_CHECK_INTERVAL`]: "90m",
    [`${prefix}ROOT_CERT_GRACE_PERIOD_PERCENTILE`]: "30",
    [`${prefix}CA_CERT_TTL`]: "8760h",
  };
  const year = 365 * 24 * 3_600_000;
  assert.deepEqual(rootRenewalFrom(env), {
    checkMs: 5_400_000,
    gracePercent: 30,
    lifetimeMs: year,
  });
});

test("what can not be read is named", () => {
  const cases: readonly [string, string][] = [
    ["ROOT_CERT_CHECK_INTERVAL", "hourly"],
    ["ROOT_CERT_CHECK_INTERVAL", "-1h"],
    ["CA_CERT_TTL", "1s"],
    ["ROOT_CERT_GRACE_PERIOD_PERCENTILE", "100"],
  ];
  for (const [name, value] of cases)
    assert.throws(
      () => rootRenewalFrom({ [prefix + name]: value }),
      new RegExp(`${name}: "${value}"`),
    );
});
