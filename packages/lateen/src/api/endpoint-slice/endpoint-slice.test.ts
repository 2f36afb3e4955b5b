import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, plain, problems } from "../../../test/support/api.ts";
import { endpointSliceKind as kind } from "./kind.ts";

const whole = { whole: true };

test("endpoints and ports", () => {
  const yaml = `
    addressType: IPv4
    endpoints:
    - addresses: [10.0.0.1]
      conditions: {ready: true, serving: true, terminating: false}
      nodeName: node-a
      targetRef: {kind: Pod, name: a-1, namespace: default, uid: u}
      zone: z1
    - addresses: [10.0.0.2]
    ports: [{name: http, port: 8080, protocol: TCP}, {}]`;
  assert.deepEqual(problems(kind, yaml, whole), []);
  const slice = decoded(kind, yaml, whole);
  assert.deepEqual(plain(slice.endpoints[1]), {
    addresses: ["10.0.0.2"],
    conditions: {},
    deprecatedTopology: {},
  });
  assert.deepEqual(plain(slice.ports), [
    { name: "http", port: 8080, protocol: "TCP" },
    { name: "", protocol: "TCP" },
  ]);
  assert.deepEqual(plain(decoded(kind, "{addressType: IPv6}", whole).endpoints), []);
});

test("rules", () => {
  const cases: [string, string[]][] = [
    ["{}", ["error addressType: is required; want one of IPv4, IPv6, FQDN"]],
    [
      "{addressType: IPv4, endpoints: [{addresses: []}]}",
      ["error endpoints[0].addresses: found 0 items, want 1 to 100"],
    ],
    [
      "{addressType: IPv4, endpoints: [{addresses: ['fd00::1']}]}",
      [
        'error endpoints[0].addresses[0]: found "fd00::1", want an IPv4 address, as addressType says',
      ],
    ],
    ["{addressType: IPv6, endpoints: [{addresses: ['fd00::1']}]}", []],
    [
      "{addressType: IPv4, ports: [{name: a, port: 1}, {name: a, port: 2}]}",
      ['error ports[1].name: found "a" a second time'],
    ],
  ];
  for (const [yaml, expected] of cases)
    assert.deepEqual(problems(kind, yaml, whole), expected, yaml);
});
