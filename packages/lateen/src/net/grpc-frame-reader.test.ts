import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GrpcFrameReader, prefixed } from "./grpc-frames.ts";

function framed(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(messages.map(message => prefixed(message, message.length)));
}

test("however messages are cut into pieces, they come out whole and in order", () => {
  const message = fc.uint8Array({ maxLength: 50 });
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(60)), (messages, cuts) => {
      const reader = new GrpcFrameReader(() => 100);
      const all = framed(messages);
      const out: Buffer[] = [];
      let at = 0;
      for (const size of [...cuts, all.length]) {
        const chunk = all.subarray(at, at + size);
        at += chunk.length;
        assert.equal(
          reader.push(chunk, each => out.push(Buffer.from(each))),
          undefined,
        );
      }
      assert.deepEqual(
        out,
        messages.map(each => Buffer.from(each)),
      );
      assert.equal(reader.buffered, 0);
    }),
  );
});

test("what is held follows what has come, not what was announced nor the buffers it came in", () => {
  const reader = new GrpcFrameReader(() => 1 << 30);
  const head = Buffer.from([0, 0x10, 0, 0, 0]);
  reader.push(head, () => assert.fail());
  assert.ok(reader.buffered <= 2 * head.length);
  const large = Buffer.alloc(65_536);
  for (let i = 0; i < 1000; i++) reader.push(large.subarray(i, i + 1), () => assert.fail());
  assert.ok(reader.buffered <= 2 * 1005, `${reader.buffered}`);
});

test("a message that is too large or compressed is refused as soon as its head is there", () => {
  const asked: number[] = [];
  const reader = new GrpcFrameReader(announced => {
    asked.push(announced);
    return 10;
  });
  reader.push(Buffer.from([0, 0, 0]), () => assert.fail());
  const error = reader.push(Buffer.from([0, 11]), () => assert.fail());
  assert.deepEqual(error, { kind: "too large", bytes: 11, maxBytes: 10 });
  assert.deepEqual(asked, [11]);
  const compressed = new GrpcFrameReader(() => 10);
  assert.deepEqual(
    compressed.push(Buffer.from([1, 0, 0, 0, 1]), () => assert.fail()),
    {
      kind: "compressed",
    },
  );
});
