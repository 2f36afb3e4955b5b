import assert from "node:assert/strict";
import { test } from "node:test";
import { age, humanDuration, parseDurationMs } from "./duration.ts";

test("Go durations", () => {
  const cases: [string, number | undefined][] = [
    ["5s", 5000],
    ["0s", 0],
    ["0", 0],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    [".5s", 500],
    ["250ms", 250],
    ["1us", 0.001],
    ["0.1s", 100],
    ["1h2m3.004s", 3_723_004],
    ["-2s", -2000],
    ["", undefined],
    ["5", undefined],
    ["s", undefined],
    ["5 s", undefined],
    ["1d", undefined],
    ["1e3s", undefined],
    ["9999999999999h", undefined],
    [`${"1h".repeat(40)}`, undefined],
  ];
  for (const [text, ms] of cases) assert.equal(parseDurationMs(text), ms, text);
});

test("ages as kubectl prints them", () => {
  const second = 1000;
  const minute = 60 * second;
  const hour = 60 * minute;
  const day = 24 * hour;
  const cases: [number, string][] = [
    [0, "0s"],
    [-1500, "0s"],
    [-5000, "<invalid>"],
    [119 * second, "119s"],
    [120 * second, "2m"],
    [125 * second, "2m5s"],
    [10 * minute + 5 * second, "10m"],
    [179 * minute, "179m"],
    [3 * hour, "3h"],
    [3 * hour + 5 * minute, "3h5m"],
    [8 * hour + 5 * minute, "8h"],
    [47 * hour, "47h"],
    [48 * hour, "2d"],
    [50 * hour, "2d2h"],
    [8 * day + hour, "8d"],
    [400 * day, "400d"],
    [2 * 365 * day, "2y"],
    [(2 * 365 + 3) * day, "2y3d"],
    [8 * 365 * day + 3 * day, "8y"],
  ];
  for (const [ms, text] of cases) assert.equal(humanDuration(ms), text, String(ms));
  assert.equal(age("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:05:00Z")), "5m");
  assert.equal(age(undefined, 0), "<unknown>");
  assert.equal(age("yesterday", 0), "<unknown>");
});
