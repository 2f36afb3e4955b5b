import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../api/kind.ts";
import { desiredStatus, hasConditions, type StatusInput } from "./desired-status.ts";
import type { ObjectReport } from "./object-report.ts";

const TIME = "2026-01-01T00:00:00Z";
const now = Date.parse(TIME);

const WARNED: ObjectReport = {
  accepted: true,
  diagnostics: [
    {
      severity: "warning",
      path: "spec.http[0].fault",
      message: "fault is accepted but not carried out yet; it has no effect",
      reason: "NotCarriedOut",
    },
    {
      severity: "warning",
      path: "spec.hosts[0]",
      message: "nobody",
      reason: "ReferencedResourceNotFound",
    },
  ],
  rejections: [],
  disputes: [],
};

function desired(input: Partial<StatusInput>): JsonObject | undefined {
  return desiredStatus({
    report: undefined,
    current: {},
    generation: 3,
    withMessages: true,
    now,
    ...input,
  });
}

function condition(type: string, status: string, reason: string, message: string): JsonObject {
  return { type, status, reason, message, observedGeneration: 3, lastTransitionTime: TIME };
}

const IN_FORCE = condition("Accepted", "True", "Valid", "the object is in force");

test("warnings: an object in force, conditions that say it all, a message each", () => {
  assert.deepEqual(desired({ report: WARNED }), {
    conditions: [
      IN_FORCE,
      condition(
        "PassedAnalysis",
        "False",
        "WarningsFound",
        "2 warnings found: spec.http[0].fault: fault is accepted but not carried out yet; " +
          "it has no effect; spec.hosts[0]: nobody",
      ),
    ],
    validationMessages: [
      { type: { name: "NotCarriedOut", code: "LAT0002" }, level: "WARNING" },
      {
        type: { name: "ReferencedResourceNotFound", code: "IST0101" },
        level: "WARNING",
        documentationUrl: "https://istio.io/latest/docs/reference/config/analysis/ist0101/",
      },
    ],
    observedGeneration: 3,
  });
});

test("errors: what was last good stays in force", () => {
  const diagnostics = [
    { severity: "error", path: "spec.host", message: "is required", reason: "Required" },
  ] as const;
  const report = { accepted: false, diagnostics, rejections: [], disputes: [] };
  const [accepted] = (desired({ report })?.["conditions"] ?? []) as JsonObject[];
  assert.deepEqual(
    accepted,
    condition(
      "Accepted",
      "False",
      "Invalid",
      "not in force, what was last good stays: spec.host: is required",
    ),
  );
});

test("what is there already is not written again, and times stay while nothing turns", () => {
  const current = desired({ report: WARNED }) ?? {};
  assert.equal(desired({ report: WARNED, current, now: now + 60_000 }), undefined);
  const later = desired({ report: WARNED, current, generation: 4, now: now + 60_000 });
  const [first] = (later?.["conditions"] ?? []) as JsonObject[];
  assert.deepEqual([first?.["observedGeneration"], first?.["lastTransitionTime"]], [4, TIME]);
});

test("an object that never had a problem gets nothing, one that is mended hears of it", () => {
  assert.equal(desired({}), undefined);
  const current = desired({ report: WARNED }) ?? {};
  assert.ok(hasConditions(current));
  assert.deepEqual(desired({ current }), {
    conditions: [IN_FORCE, condition("PassedAnalysis", "True", "NoIssuesFound", "nothing found")],
    validationMessages: [],
    observedGeneration: 3,
  });
});

test("a rejection by proxies, until none rejects it", () => {
  const rejection = {
    type: "RDS",
    resource: "80",
    message: "bad regex",
    proxies: 2,
    proxy: "p.default",
    namespaces: ["default"],
  };
  const report = { ...WARNED, diagnostics: [], rejections: [rejection], disputes: [] };
  const rejected = desired({ report }) ?? {};
  assert.deepEqual((rejected["conditions"] as JsonObject[])[2], {
    ...condition(
      "Reconciled",
      "False",
      "RejectedByEnvoy",
      'proxy p.default rejected RDS 80: "bad regex" (and 1 more did)',
    ),
  });
  assert.deepEqual(rejected["validationMessages"], [
    { type: { name: "RejectedByEnvoy", code: "LAT0001" }, level: "ERROR" },
  ]);
  const after = (desired({ current: rejected })?.["conditions"] ?? []) as JsonObject[];
  assert.deepEqual(
    after[2],
    condition("Reconciled", "True", "Acknowledged", "no proxy rejects it"),
  );
});

test("what proxies of others alone reject is a condition of its own, without their words", () => {
  const dispute = {
    type: "RDS",
    resource: "80",
    message: "pay me",
    proxies: 1,
    proxy: "p.evil",
    namespaces: ["evil"],
  };
  const report = { ...WARNED, diagnostics: [], rejections: [], disputes: [dispute] };
  const disputed = desired({ report }) ?? {};
  const conditions = disputed["conditions"] as JsonObject[];
  assert.deepEqual(
    conditions.map(each => `${each["type"]} ${each["status"]}`),
    ["Accepted True", "PassedAnalysis True", "DisputedByProxies True"],
  );
  assert.doesNotMatch(JSON.stringify(disputed), /pay me/);
  assert.match(String(conditions[2]?.["message"]), /RDS 80 .* of namespace evil alone$/);
  assert.deepEqual(disputed["validationMessages"], []);
  const after = (desired({ current: disputed })?.["conditions"] ?? []) as JsonObject[];
  assert.deepEqual(
    after[2],
    condition("DisputedByProxies", "False", "Undisputed", "no proxy rejects it"),
  );
});

test("conditions of others stay; kinds of Kubernetes get conditions only", () => {
  const other = { type: "Programmed", status: "True" };
  const fields = desired({
    report: WARNED,
    current: { conditions: [other] },
    withMessages: false,
  });
  const [first] = (fields?.["conditions"] ?? []) as JsonObject[];
  assert.deepEqual(first, other);
  assert.deepEqual(Object.keys(fields ?? {}), ["conditions"]);
});

test("messages and conditions are bounded", () => {
  const diagnostics = Array.from({ length: 1000 }, (_, i) => ({
    severity: "warning" as const,
    path: `spec.http[${i}]`,
    message: "x".repeat(100),
    reason: "Unreachable",
  }));
  const fields = desired({ report: { accepted: true, diagnostics, rejections: [], disputes: [] } });
  assert.ok(JSON.stringify(fields).length < 10_000);
  assert.match(JSON.stringify(fields), /1000 warnings found: .*; and 98\d more"/);
});
