import assert from "node:assert/strict";
import { test } from "node:test";
import { lines, plain } from "../../test/support/api.ts";
import { decode, MAX_DEPTH } from "./decode.ts";
import type { Json } from "./kind.ts";
import { Report } from "./report.ts";
import {
  any,
  boolean,
  duration,
  enumOf,
  integer,
  intOrString,
  list,
  map,
  notYet,
  object,
  optional,
  orElse,
  required,
  type SchemaNode,
  string,
  withDefault,
} from "./schema.ts";

function run(schema: SchemaNode, json: Json): { value: unknown; lines: string[] } {
  const report = new Report();
  const value = decode(schema, json, report);
  return { value: plain(value ?? null), lines: lines(report.diagnostics()) };
}

test("presence: required, optional, default, decoded only, empty", () => {
  const schema = object({
    required: required(string()),
    optional: string(),
    default: withDefault(integer(), 3),
    fallback: orElse(boolean(), true),
    list: list(string()),
    map: map(string()),
    maybe: optional(list(string())),
  });
  assert.deepEqual(run(schema, { required: "x" }), {
    value: { required: "x", default: 3, fallback: true, list: [], map: {} },
    lines: [],
  });
  const nothing = { required: null, optional: null, default: null, list: null, maybe: null };
  assert.deepEqual(run(schema, nothing).lines, ["error required: is required; want a string"]);
});

test("wrong types name what was found and what would be right", () => {
  const schema = object({
    s: string(),
    i: integer({ min: 1, max: 9 }),
    b: boolean(),
    d: duration(),
    e: enumOf(["RED", "GREEN"]),
    l: list(integer()),
    m: map(integer()),
    o: object({}),
    p: intOrString(),
  });
  const json = { s: 1, i: 1.5, b: "yes", d: 5, e: "GREN", l: {}, m: [], o: "x", p: true };
  assert.deepEqual(run(schema, json).lines, [
    "error s: found an integer (1), want a string",
    "error i: found a number (1.5), want an integer",
    'error b: found a string ("yes"), want true or false',
    'error d: found an integer (5), want a duration such as "5s", "1m30s" or "250ms"',
    'error e: found "GREN", want one of RED, GREEN; did you mean GREEN?',
    "error l: found an object, want a list",
    "error m: found a list, want an object",
    'error o: found a string ("x"), want an object',
    "error p: found a boolean (true), want an integer or a string",
  ]);
  assert.deepEqual(run(schema, { i: 10, d: "0s", l: [1, "2", null] }).lines, [
    "error i: found 10, want 1 to 9",
    'error d: found "0s", want at least 1ms',
    'error l[1]: found a string ("2"), want an integer',
    "error l[2]: found nothing, want an integer",
  ]);
  assert.deepEqual(run(schema, { d: "1.5ms" }).lines, [
    'error d: found "1.5ms", want whole milliseconds',
  ]);
});

test("unknown fields are dropped with a suggestion", () => {
  const schema = object({ perTryTimeout: string(), retryOn: string() });
  const found = run(schema, { per_try_timeout: "1s", retyrOn: "x", zzz: 1 });
  assert.deepEqual(found.value, {});
  assert.deepEqual(found.lines, [
    'warning per_try_timeout: unknown field "per_try_timeout"; did you mean perTryTimeout?',
    'warning retyrOn: unknown field "retyrOn"; did you mean retryOn?',
    'warning zzz: unknown field "zzz"',
  ]);
});

test("a field that is not carried out gives one warning, unless it asks for nothing", () => {
  const inner = object({ percent: notYet(integer()), mode: enumOf(["A", "B"]) });
  const schema = object({ fault: notYet(inner), flag: notYet(boolean()), x: string() });
  assert.deepEqual(run(schema, { fault: { percent: 5, mode: "A" }, flag: true }).lines, [
    "warning fault: fault is accepted but not carried out yet; it has no effect",
    "warning flag: flag is accepted but not carried out yet; it has no effect",
  ]);
  assert.deepEqual(run(schema, { fault: {}, flag: false }).lines, []);
  assert.deepEqual(run(schema, { fault: { mode: "C" } }).lines, [
    'error fault.mode: found "C", want one of A, B',
    "warning fault: fault is accepted but not carried out yet; it has no effect",
  ]);
  const values = object({ p: string({ notYetValues: ["TCP"] }) });
  assert.deepEqual(run(values, { p: "tcp" }).lines, [
    "warning p: value tcp is accepted but not carried out yet",
  ]);
});

test("at most one field of a group", () => {
  const schema = object({ a: string(), b: string() }, { exclusive: [["a", "b"]] });
  assert.deepEqual(run(schema, { a: "x" }).lines, []);
  assert.deepEqual(run(schema, { a: "x", b: "y" }).lines, [
    "error : found a and b; at most one of them may be set",
  ]);
});

test("keys of users can not reach a prototype", () => {
  const schema = object({ labels: map(string()), rest: any() });
  const json = JSON.parse(
    '{"labels":{"__proto__":"x","constructor":"y"},"rest":{"__proto__":{"a":1}}}',
  );
  const report = new Report();
  const value = decode(schema, json, report);
  assert.ok(value !== undefined);
  assert.equal(Object.getPrototypeOf(value.labels), null);
  assert.deepEqual(Object.entries(value.labels), [
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
  assert.equal(({} as Record<string, unknown>)["a"], undefined);
  const hostile = JSON.parse('{"__proto__":{"labels":{"a":"b"}}}');
  assert.deepEqual(run(schema, hostile), {
    value: { labels: {} },
    lines: ['warning __proto__: unknown field "__proto__"'],
  });
});

test("nothing of the input is shared, everything is frozen", () => {
  const input = { list: [{ a: "x" }], map: { k: "v" }, any: { deep: [1, { x: 2 }] } };
  const schema = object({ list: list(object({ a: string() })), map: map(string()), any: any() });
  const value = decode(schema, input, new Report());
  assert.ok(value !== undefined);
  const before = JSON.stringify(value);
  assert.ok([value, value.list, value.list[0], value.map, value.any].every(Object.isFrozen));
  input.list.push({ a: "y" });
  input.map.k = "w";
  input.any.deep.push(3);
  assert.equal(JSON.stringify(value), before);
});

test("depth and the number of messages are bounded", () => {
  let deep: Json = "end";
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assert.deepEqual(run(object({ any: any() }), { any: deep }).lines, [
    `error any: nested more than ${MAX_DEPTH} levels deep`,
  ]);
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`unknown${i}`, i]));
  const found = run(object({ known: string() }), many).lines;
  assert.equal(found.length, 101);
  assert.equal(found.at(-1), "warning : and 4900 more warnings");
});

test("values that are secret stay out of messages", () => {
  const schema = object({ data: map(string({ format: "byte", sensitive: true })) });
  const text = run(schema, { data: { a: "not base64 hunter2", b: 12345 } }).lines.join("\n");
  assert.match(text, /data\.a: found a string, want base64/);
  assert.match(text, /data\.b: found an integer, want a string/);
  assert.doesNotMatch(text, /hunter2|12345/);
});
