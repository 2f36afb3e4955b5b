import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_BYTES, bodyOf, SharedBodies } from "./shared-bodies.ts";
import type { Resource } from "./types.ts";

const KB = 1024;

function resource(name: string, size: number): Resource {
  const [deltaField, sotwField] = [Buffer.alloc(size, name), Buffer.alloc(size + 1, name)];
  return { type: "type", name, version: "1", deltaField, sotwField };
}

test("streams that are sent the same resources are sent the same bytes", () => {
  const bodies = new SharedBodies();
  const [a, b] = [resource("a", 10), resource("b", 20)];
  const first = bodies.of("delta", { resources: [a, b] });
  const others = ["delta", "sotw"] as const;
  const [delta, sotw] = others.map(form => bodies.of(form, { resources: [a, b] }));
  assert.equal(delta, first);
  assert.notEqual(sotw, first);
  assert.deepEqual(
    Buffer.concat([...(sotw?.blocks ?? [])]),
    Buffer.concat([a.sotwField, b.sotwField]),
  );
  assert.notEqual(bodies.of("delta", { resources: [b, a] }), first);
  assert.notEqual(bodies.of("delta", { resources: [a] }), first);
  // The same name and version, built anew.
  assert.notEqual(bodies.of("delta", { resources: [resource("a", 10), b] }), first);
});

test("a list of several shared lists shares the blocks of each", () => {
  const bodies = new SharedBodies();
  const all = { resources: [resource("a", 10)] };
  const own = { resources: [resource("b", 20)] };
  const body = bodies.of("delta", { resources: [], lists: [all, own] });
  assert.equal(body.bytes, 30);
  assert.equal(body.blocks[0], bodies.of("delta", all).blocks[0]);
});

test("small resources are joined, large ones are not copied", () => {
  const large = resource("large", 100 * KB);
  const small = Array.from({ length: 200 }, (_, i) => resource(`s${i}`, KB));
  const { blocks, bytes } = bodyOf("delta", [...small, large, ...small]);
  assert.equal(bytes, 500 * KB);
  assert.equal(blocks.length, 9);
  assert.ok(blocks.every(block => block === large.deltaField || block.length <= BLOCK_BYTES));
  assert.ok(blocks.includes(large.deltaField));
});
