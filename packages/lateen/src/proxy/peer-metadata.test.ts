import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "@lateen/envoy-api/google/protobuf/struct.js";
import { encodePeerMetadata } from "./peer-metadata.ts";

test("protobuf's own decoder reads what was encoded", () => {
  const peer = {
    WORKLOAD_NAME: "sleep",
    NAMESPACE: "défault",
    LABELS: { app: "sleep", version: "", long: "x".repeat(300) },
  };
  const bytes = Buffer.from(encodePeerMetadata(peer), "base64");
  const value = Value.decode(bytes);
  assert.deepEqual(Value.encode(value).finish().length, bytes.length);
  const fields = JSON.parse(JSON.stringify(value));
  const text = JSON.stringify(fields);
  for (const part of ["sleep", "défault", "x".repeat(300), "WORKLOAD_NAME", "version"])
    assert.ok(text.includes(part), part);
});

test("equal structs have equal bytes whatever their order", () => {
  assert.equal(
    encodePeerMetadata({ a: "1", b: { c: "2", d: "3" } }),
    encodePeerMetadata({ b: { d: "3", c: "2" }, a: "1" }),
  );
});
