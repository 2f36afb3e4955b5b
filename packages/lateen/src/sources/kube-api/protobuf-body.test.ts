import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { refusal, value } from "../store/test-store.ts";
import { parseProtobuf } from "./protobuf-body.ts";

function field(number: number, bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes);
  assert.ok(content.length < 128);
  return Buffer.concat([Buffer.from([number * 8 + 2, content.length]), content]);
}

function envelope(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  const type = Buffer.concat([field(1, apiVersion), field(2, kind)]);
  return Buffer.concat([Buffer.from("k8s\0"), field(1, type), field(2, raw)]);
}

test("an object becomes the JSON that it would be", () => {
  const labels = field(11, Buffer.concat([field(1, "app"), field(2, "web")]));
  const metadata = field(1, Buffer.concat([field(1, "shop"), field(3, ""), labels]));
  assert.deepEqual(
    JSON.parse(JSON.stringify(value(parseProtobuf(envelope("v1", "Namespace", metadata))))),
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "shop", labels: { app: "web" } },
    },
  );
});

test("what is not known is refused by name, never dropped", () => {
  assert.match(refusal(parseProtobuf(envelope("v1", "Pod", Buffer.alloc(0)))), /415 .*Pod of v1/);
  const unknown = envelope("v1", "Namespace", field(9, "text"));
  assert.match(refusal(parseProtobuf(unknown)), /415 .*field 9 of Namespace/);
  assert.match(refusal(parseProtobuf(Buffer.from("{}"))), /400 .*does not begin with k8s/);
});

test("any bytes get an answer", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      assert.ok("ok" in parseProtobuf(Buffer.concat([Buffer.from("k8s\0"), bytes])));
      const short = bytes.subarray(0, 90);
      assert.ok("ok" in parseProtobuf(envelope("apps/v1", "Deployment", short)));
    }),
    { numRuns: 500 },
  );
});
