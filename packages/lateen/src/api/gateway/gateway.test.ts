import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, plain, problems } from "../../../test/support/api.ts";
import { gatewayKind as kind } from "./kind.ts";

test("plain HTTP is carried out", () => {
  const yaml = `
    selector: {istio: ingressgateway}
    servers:
    - port: {number: 8080, name: http, protocol: HTTP}
      hosts: ["demoapp.example.com", "prod/*.example.com"]
    - port: {number: 9090, name: grpc, protocol: grpc}
      hosts: ["*"]
      name: second`;
  assert.deepEqual(problems(kind, yaml), []);
  assert.deepEqual(plain(decoded(kind, yaml).spec.servers[1]), {
    port: { number: 9090, protocol: "grpc", name: "grpc" },
    hosts: ["*"],
    name: "second",
  });
});

test("rules and what is not carried out", () => {
  const port = "port: {number: 80, name: http, protocol: HTTP}";
  const https = "port: {number: 443, name: https, protocol: HTTPS}";
  const cases: [string, string[]][] = [
    ["{}", ["error spec.servers: found no servers, want at least one"]],
    [
      `{servers: [{${port}, hosts: []}]}`,
      ["error spec.servers[0].hosts: found no hosts, want at least one"],
    ],
    [`{servers: [{${port}}]}`, ["error spec.servers[0].hosts: is required; want a list"]],
    [
      "{servers: [{port: {number: 80}, hosts: [a]}]}",
      [
        "error spec.servers[0].port.protocol: is required; want a string",
        "error spec.servers[0].port.name: is required; want a string",
      ],
    ],
    [
      `{servers: [{${port}, hosts: [a]}, {${port}, hosts: [b]}]}`,
      [
        'error spec.servers[1].port.name: found "http" a second time; names of ports are unique among the servers',
      ],
    ],
    [
      "{servers: [{port: {number: 80, name: a, protocol: HTPP}, hosts: [a]}]}",
      [
        'error spec.servers[0].port.protocol: found "HTPP", want one of HTTP, HTTP2, HTTPS, GRPC, GRPC-WEB, HTTP_PROXY, TLS, TCP, UDP, MONGO, REDIS, MYSQL',
      ],
    ],
    [
      "{servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a]}]}",
      ["error spec.servers[0].tls: is required for protocol HTTPS"],
    ],
    [
      `{servers: [{${port}, hosts: [a], tls: {mode: SIMPLE, credentialName: c}}]}`,
      [
        "error spec.servers[0].tls: may not be set for protocol HTTP, which is without TLS; want protocol HTTPS or TLS",
      ],
    ],
    [`{servers: [{${port}, hosts: [a], tls: {httpsRedirect: true}}]}`, []],
    [`{servers: [{${https}, hosts: [a], tls: {mode: ISTIO_MUTUAL}}]}`, []],
    [`{servers: [{${https}, hosts: [a], tls: {mode: SIMPLE, credentialName: c}}]}`, []],
    [`{servers: [{${https}, hosts: [a], tls: {mode: MUTUAL, credentialName: c}}]}`, []],
    [
      `{servers: [{${https}, hosts: [a], tls: {mode: SIMPLE, serverCertificate: /c, privateKey: /k}}]}`,
      [],
    ],
    [
      `{servers: [{${https}, hosts: [a], tls: {mode: MUTUAL, serverCertificate: /c, privateKey: /k}}]}`,
      ["error spec.servers[0].tls.caCertificates: is required for mode MUTUAL with files"],
    ],
    [
      `{servers: [{${https}, hosts: [a], tls: {mode: SIMPLE, serverCertificate: /c}}]}`,
      [
        "error spec.servers[0].tls.credentialName: is required for mode SIMPLE; want a Secret, or files in serverCertificate and privateKey",
      ],
    ],
    [
      `{servers: [{${https}, hosts: [a], tls: {}}]}`,
      [
        "warning spec.servers[0].tls.mode: found none, which is PASSTHROUGH; that is accepted but not carried out yet",
      ],
    ],
    [
      "{servers: [{port: {number: 443, name: a, protocol: TLS}, hosts: [a], tls: {mode: PASSTHROUGH}}]}",
      [
        "warning spec.servers[0].port.protocol: value TLS is accepted but not carried out yet",
        "warning spec.servers[0].tls.mode: value PASSTHROUGH is accepted but not carried out yet",
      ],
    ],
    [
      `{servers: [{${port}, hosts: ["a/b/c"]}]}`,
      [
        'error spec.servers[0].hosts[0]: found "a/b/c", want a host such as shop.example.com, "*.example.com" or "*", or namespace/host',
      ],
    ],
  ];
  for (const [yaml, expected] of cases) {
    const selecting = yaml.replace("{", "{selector: {istio: x}, ").replace(", }", "}");
    assert.deepEqual(problems(kind, selecting), expected, yaml);
  }
});

test("without labels to select by, it is for all gateways, which is said", () => {
  const server = "{port: {number: 80, name: http, protocol: HTTP}, hosts: [a]}";
  const warning = "warning spec.selector: found no labels: this is for all gateways there are";
  for (const selector of ["", "selector: {}, "])
    assert.deepEqual(problems(kind, `{${selector}servers: [${server}]}`), [warning]);
});
