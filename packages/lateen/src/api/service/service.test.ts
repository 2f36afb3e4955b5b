import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, objectOf, plain, problems } from "../../../test/support/api.ts";
import { serviceKind as kind } from "./kind.ts";

test("a ClusterIP Service as the API server stores it", () => {
  const yaml = `
    selector: {app: demoapp}
    ports: [{name: http, port: 8080, targetPort: web, appProtocol: http}, {name: grpc, port: 9090}]`;
  assert.deepEqual(problems(kind, yaml), []);
  assert.deepEqual(kind.applyDefaults(objectOf(kind, yaml))["spec"], {
    selector: { app: "demoapp" },
    ports: [
      { name: "http", port: 8080, targetPort: "web", appProtocol: "http", protocol: "TCP" },
      { name: "grpc", port: 9090, protocol: "TCP", targetPort: 9090 },
    ],
    type: "ClusterIP",
    sessionAffinity: "None",
    internalTrafficPolicy: "Cluster",
  });
  const { spec } = decoded(kind, yaml);
  assert.deepEqual(plain(spec.ports[1]), { name: "grpc", port: 9090, protocol: "TCP" });
  assert.deepEqual(plain(spec.selector), { app: "demoapp" });
  assert.equal(spec.publishNotReadyAddresses, false);
});

test("no selector is not the same as an empty one", () => {
  assert.equal(decoded(kind, "{ports: [{port: 80}]}").spec.selector, undefined);
  assert.deepEqual(plain(decoded(kind, "{ports: [{port: 80}], selector: {}}").spec.selector), {});
});

test("rules", () => {
  const cases: [string, string[]][] = [
    ["{clusterIP: None}", []],
    ["{type: ExternalName, externalName: a.b}", []],
    ["{}", ["error spec.ports: found no ports, want at least one"]],
    [
      "{ports: [{port: 80}, {port: 81}]}",
      [
        "error spec.ports[0].name: is required when there are several ports",
        "error spec.ports[1].name: is required when there are several ports",
      ],
    ],
    [
      "{ports: [{name: a, port: 80}, {name: a, port: 80}]}",
      [
        'error spec.ports[1].name: found "a" a second time',
        "error spec.ports[1].port: found 80/TCP a second time",
      ],
    ],
    ["{ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]}", []],
    ["{ports: [{port: 0}]}", ["error spec.ports[0].port: found 0, want 1 to 65535"]],
    [
      "{ports: [{port: 80, targetPort: 70000}]}",
      ["error spec.ports[0].targetPort: found 70000, want 1 to 65535 or a port's name"],
    ],
    [
      "{ports: [{port: 80, targetPort: 'UPPER'}]}",
      [
        "error spec.ports[0].targetPort: found \"UPPER\", want at most 15 lower-case letters, digits and single '-', with at least one letter",
      ],
    ],
    [
      "{ports: [{port: 80}], type: ClusterIp}",
      [
        'error spec.type: found "ClusterIp", want one of ClusterIP, NodePort, LoadBalancer, ExternalName; did you mean ClusterIP?',
      ],
    ],
    [
      "{ports: [{port: 80}], clusterIP: 10.0.0}",
      ['error spec.clusterIP: found "10.0.0", want an IP address or None'],
    ],
    [
      "{ports: [{port: 80}], clusterIP: None, type: NodePort}",
      ["error spec.clusterIP: found None, but type NodePort needs an address"],
    ],
    [
      "{ports: [{port: 80}], type: ExternalName}",
      [
        "error spec.externalName: type ExternalName wants a DNS name: lower-case letters, digits, '-' and '.', at most 253",
      ],
    ],
  ];
  for (const [yaml, expected] of cases) assert.deepEqual(problems(kind, yaml), expected, yaml);
});

test("names begin with a letter", () => {
  const named = { ...objectOf(kind, "{ports: [{port: 80}]}"), metadata: { name: "1a" } };
  const { ok, diagnostics } = kind.decode(named);
  assert.equal(ok, false);
  assert.equal(diagnostics[0]?.path, "metadata.name");
});
