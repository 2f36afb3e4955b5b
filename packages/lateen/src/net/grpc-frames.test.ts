import assert from "node:assert/strict";
import { test } from "node:test";
import { framedBlocks, GrpcFrameReader } from "./grpc-frames.ts";

const KB = 1024;

function partsOf(sizes: readonly number[]): Buffer[] {
  return sizes.map((size, i) => Buffer.alloc(size, i % 251));
}

function written(sizes: readonly number[]): { blocks: Uint8Array[]; message: Buffer } {
  const parts = partsOf(sizes);
  const message = Buffer.concat(parts);
  return { blocks: [...framedBlocks(parts, message.length)], message };
}

test("blocks read back as the one message, however its parts are cut", () => {
  for (const sizes of [[], [0], [1, 2, 3], [70 * KB], [5, 70 * KB, 5], [64 * KB, 64 * KB - 5]]) {
    const { blocks, message } = written(sizes);
    const read: Buffer[] = [];
    const reader = new GrpcFrameReader(() => 1 << 20);
    for (const block of blocks)
      reader.push(Buffer.from(block), each => read.push(Buffer.from(each)));
    assert.deepEqual(read, [message], JSON.stringify(sizes));
  }
});

test("thousands of resources are a few writes", () => {
  const { blocks } = written(Array.from({ length: 1500 }, () => KB));
  assert.equal(blocks.length, 24);
});

test("a change of a few resources is one write", () => {
  assert.equal(written([30, 900, 900, 1800]).blocks.length, 1);
});

test("a large part is not copied, and none is copied twice", () => {
  const parts = partsOf([10, 100 * KB, 10, 10]);
  const blocks = [...framedBlocks(parts, 100 * KB + 30)];
  assert.deepEqual(
    blocks.map(block => block.length),
    [15, 100 * KB, 20],
  );
  assert.equal(blocks[1], parts[1]);
});
