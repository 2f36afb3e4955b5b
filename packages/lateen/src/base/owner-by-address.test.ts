import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerByAddress } from "./owner-by-address.ts";

test("an owner is an IPv4 address, or the network of an IPv6 one", () => {
  assert.equal(ownerByAddress("10.0.0.1"), "10.0.0.1");
  assert.equal(ownerByAddress("::ffff:10.0.0.1"), "10.0.0.1");
  assert.equal(ownerByAddress("fd00:1:2:3:4:5:6:7"), "fd00:1:2:3::/64");
  assert.equal(ownerByAddress("fd00:1:2:3::9"), "fd00:1:2:3::/64");
  assert.equal(ownerByAddress("fd00::9"), "fd00:0:0:0::/64");
  assert.equal(ownerByAddress("fe80::1%eth0"), "fe80:0:0:0::/64");
  assert.equal(ownerByAddress("::1"), "0:0:0:0::/64");
  assert.equal(ownerByAddress(""), "");
});
