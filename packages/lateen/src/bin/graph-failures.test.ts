import assert from "node:assert/strict";
import { test } from "node:test";
import { type Log, silentLog } from "../base/log.ts";
import { createGraph } from "../flow/graph.ts";
import { logFailures } from "./graph-failures.ts";

function rig() {
  const graph = createGraph();
  const numbers = graph.input<number>("numbers");
  const checked = (key: string, value: number): number => {
    if (value < 0) throw new Error(`no ${key}`);
    return value;
  };
  graph.derive<number, number>(numbers, { name: "rows" }, checked);
  const cells = graph.cells<number>({ name: "cells", reads: [numbers] }, (key, read) =>
    checked(key, read.get(numbers, key) ?? 0),
  );
  const lines: string[] = [];
  const error: Log["error"] = (_message, fields) => {
    lines.push(`${fields?.["collection"] ?? "more"} ${fields?.["key"] ?? ""}`.trim());
  };
  logFailures(graph, { ...silentLog, error });
  const set = (key: string, value: number) =>
    graph.commit({ source: "test" }, writer => writer.set(numbers, key, value));
  return { cells, lines, set };
}

test("a row and a cell that fail are told, once each", () => {
  const { cells, lines, set } = rig();
  set("a", 1);
  const cell = cells.acquire("a");
  assert.equal(cell.value(), 1);
  assert.deepEqual(lines, []);
  for (const value of [-1, -2, 2, -3]) {
    set("a", value);
    cell.value();
  }
  assert.deepEqual(lines, ["rows a", "cells a"]);
  cell.release();
});

test("a bug in all rows fills no log", () => {
  const { lines, set } = rig();
  for (let i = 0; i < 1000; i++) set(`n${i}`, -1);
  assert.equal(lines.length, 101);
  assert.equal(lines.at(-1), "more");
});
