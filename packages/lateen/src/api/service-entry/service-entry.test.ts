import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, plain, problems } from "../../../test/support/api.ts";
import { workloadEntryKind } from "../workload-entry/kind.ts";
import { serviceEntryKind as kind } from "./kind.ts";

const http = "ports: [{number: 80, name: http, protocol: HTTP}]";

test("a static service with endpoints", () => {
  const yaml = `
    hosts: [legacy.example.com]
    addresses: [240.0.0.1]
    ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
    location: MESH_INTERNAL
    resolution: STATIC
    endpoints:
    - {address: 10.0.0.1, ports: {http: 9090}, labels: {app: legacy}, locality: r1/z1, weight: 2, serviceAccount: legacy}
    subjectAltNames: ["spiffe://cluster.local/ns/default/sa/legacy"]`;
  assert.deepEqual(problems(kind, yaml), []);
  const { spec } = decoded(kind, yaml);
  assert.deepEqual(plain(spec.endpoints?.[0]), {
    address: "10.0.0.1",
    ports: { http: 9090 },
    labels: { app: "legacy" },
    locality: "r1/z1",
    weight: 2,
    serviceAccount: "legacy",
  });
});

test("defaults: external, resolution NONE", () => {
  const { spec } = decoded(kind, `{hosts: [a.b], ${http}}`);
  assert.deepEqual(
    [spec.location, spec.resolution, spec.endpoints],
    ["MESH_EXTERNAL", "NONE", undefined],
  );
});

test("rules", () => {
  const cases: [string, string[]][] = [
    ["{}", ["error spec.hosts: is required; want a list"]],
    [`{hosts: [], ${http}}`, ["error spec.hosts: found 0 items, want 1 to 256"]],
    [`{hosts: ["*"], ${http}}`, ['error spec.hosts[0]: found "*", want a host name']],
    [
      `{hosts: [a], ${http}, endpoints: [{address: 10.0.0.1}]}`,
      ["error spec.endpoints: may not be set with resolution NONE; want STATIC or DNS"],
    ],
    [
      `{hosts: [a], ${http}, resolution: STATIC}`,
      [
        "warning spec.endpoints: found neither endpoints nor workloadSelector: with resolution STATIC requests will fail",
      ],
    ],
    [
      `{hosts: [a], ${http}, resolution: STATIC, endpoints: [{address: b.c}]}`,
      [
        'error spec.endpoints[0].address: found "b.c", want an IP address with resolution STATIC (a host name needs DNS)',
      ],
    ],
    [
      `{hosts: [a], ${http}, resolution: STATIC, endpoints: [{address: 10.0.0.1, ports: {x: 1}}]}`,
      ['error spec.endpoints[0].ports.x: found "x", want the name of one of spec.ports'],
    ],
    [
      `{hosts: [a], ${http}, resolution: STATIC, endpoints: [{}]}`,
      ["error spec.endpoints[0].address: is required; want an IP address or a host name"],
    ],
    [
      `{hosts: [a], ${http}, resolution: STATIC, endpoints: [{address: 10.0.0.1}], workloadSelector: {labels: {a: b}}}`,
      ["error spec.endpoints: may not be set beside workloadSelector"],
    ],
    [
      `{hosts: ["*.a.b"], ${http}, resolution: DNS}`,
      ['error spec.hosts[0]: found "*.a.b", want a name without wildcard, or endpoints, with DNS'],
    ],
    [`{hosts: ["*.a.b"], ${http}, resolution: DNS, endpoints: [{address: x.a.b}]}`, []],
    [
      `{hosts: [a.b], ${http}, resolution: DNS_ROUND_ROBIN, endpoints: [{address: c.d}, {address: e.f}]}`,
      ["error spec.endpoints: found 2, want at most one with resolution DNS_ROUND_ROBIN"],
    ],
    [
      `{hosts: [a.b], ${http}, resolution: DNS, addresses: [10.0.0.0/8]}`,
      ['error spec.addresses[0]: found "10.0.0.0/8"; a CIDR wants resolution NONE or STATIC'],
    ],
    [
      `{hosts: [a.b], ${http}, addresses: [10.0.0.0/33]}`,
      [
        'error spec.addresses[0]: found "10.0.0.0/33", want an IP address or a CIDR such as 10.0.0.0/8',
      ],
    ],
    [
      "{hosts: [a.b], ports: [{number: 80, name: a}, {number: 80, name: a, protocol: HTTP}], addresses: [10.0.0.1]}",
      [
        'error spec.ports[1].name: found "a" a second time',
        "error spec.ports[1].number: found 80 a second time",
      ],
    ],
    [
      "{hosts: [a.b, c.d], ports: [{number: 80, name: a, protocol: TCP}], resolution: DNS}",
      [
        'error spec.ports[0].protocol: found "TCP", but with several hosts want HTTP or TLS, which can tell them apart',
      ],
    ],
    [
      "{hosts: [a.b], ports: [{number: 80, name: a, protocol: TCP}]}",
      [
        "warning spec.ports[0].protocol: TCP without addresses takes all traffic to port 80; want addresses",
      ],
    ],
    [
      "{hosts: [a.b], ports: [{number: 0, name: a, protocol: HTTP}]}",
      ["error spec.ports[0].number: found 0, want 1 to 65535"],
    ],
    [
      `{hosts: [a.b], ${http}, resolution: DYNAMIC_DNS}`,
      ["warning spec.resolution: value DYNAMIC_DNS is accepted but not carried out yet"],
    ],
    [`{hosts: [a.b], ${http}, exportTo: ["~"]}`, []],
    [
      "{hosts: [a.b], ports: [{number: 80, name: a, protocol: HTTP_PROXY}]}",
      ["warning spec.ports[0].protocol: value HTTP_PROXY is accepted but not carried out yet"],
    ],
  ];
  for (const [yaml, expected] of cases) assert.deepEqual(problems(kind, yaml), expected, yaml);
});

test("WorkloadEntry", () => {
  const cases: [string, string[]][] = [
    ["{address: 10.0.0.1, ports: {http: 80}, labels: {app: a}, weight: 1}", []],
    ["{address: vm.example.com}", []],
    [
      "{address: unix:///var/run/a.sock}",
      [
        "warning spec.address: found a unix:// address, which is accepted but not carried out yet: it gets no requests",
      ],
    ],
    [
      "{network: n1}",
      [
        "warning spec.network: network is accepted but not carried out yet; it has no effect",
        "warning spec.address: found none: a workload behind its network's gateway, which is not carried out yet",
      ],
    ],
    ["{}", ["error spec.address: is required; want an IP address or a host name"]],
    [
      "{address: 'a b'}",
      ['error spec.address: found "a b", want an IP address, a host name or unix:///path'],
    ],
    [
      "{address: 'unix://relative'}",
      [
        'error spec.address: found "unix://relative", want unix:// and an absolute path, or @ and an abstract name',
      ],
    ],
    [
      "{address: unix:///a, ports: {a: 1}}",
      [
        "error spec.ports: may not be set beside a unix:// address",
        "warning spec.address: found a unix:// address, which is accepted but not carried out yet: it gets no requests",
      ],
    ],
    [
      "{address: 10.0.0.1, locality: r1//z}",
      ['error spec.locality: found "r1//z", want region, region/zone or region/zone/subzone'],
    ],
    [
      "{address: 10.0.0.1, ports: {a: 99999}}",
      ["error spec.ports.a: found 99999, want 1 to 65535"],
    ],
  ];
  for (const [yaml, expected] of cases)
    assert.deepEqual(problems(workloadEntryKind, yaml), expected, yaml);
});
