import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, plain, problems } from "../../../test/support/api.ts";
import { virtualServiceKind as kind } from "./kind.ts";

test("what is carried out decodes without a word", () => {
  const yaml = `
    hosts: [demoapp, demoapp.example.com]
    gateways: [istio-system/demoapp-gateway, mesh]
    exportTo: ["."]
    http:
    - name: canary
      match:
      - uri: {prefix: /canary}
        headers: {x-canary: {exact: "true"}}
        port: 8080
        sourceLabels: {app: sleep}
        sourceNamespace: default
        gateways: [mesh]
      route:
      - destination: {host: demoapp, subset: v11, port: {number: 8080}}
        weight: 90
      - destination: {host: demoapp, subset: v10}
        weight: 10
      timeout: 1m30s
      retries: {attempts: 3, perTryTimeout: 250ms, retryOn: "5xx,reset"}
    - route:
      - destination: {host: demoapp}`;
  assert.deepEqual(problems(kind, yaml), []);
  const { spec } = decoded(kind, yaml);
  assert.deepEqual(plain(spec.http[0]), {
    name: "canary",
    match: [
      {
        uri: { prefix: "/canary" },
        headers: { "x-canary": { exact: "true" } },
        port: 8080,
        sourceLabels: { app: "sleep" },
        sourceNamespace: "default",
        gateways: ["mesh"],
        queryParams: {},
        withoutHeaders: {},
      },
    ],
    route: [
      { destination: { host: "demoapp", subset: "v11", port: { number: 8080 } }, weight: 90 },
      { destination: { host: "demoapp", subset: "v10" }, weight: 10 },
    ],
    timeout: 90_000,
    retries: { attempts: 3, perTryTimeout: 250, retryOn: "5xx,reset" },
    mirrors: [],
  });
  assert.equal(spec.http[1]?.route[0]?.weight, 0);
  assert.deepEqual(plain([spec.tls, spec.tcp]), [[], []]);
});

test("all versions come out equal", () => {
  const spec = { hosts: ["a"], http: [{ route: [{ destination: { host: "a" } }] }] };
  const values = ["v1", "v1beta1", "v1alpha3"].map(version => {
    const apiVersion = `networking.istio.io/${version}`;
    const result = kind.decode({
      apiVersion,
      kind: "VirtualService",
      metadata: { name: "x" },
      spec,
    });
    assert.ok(result.ok);
    return result.value;
  });
  assert.deepEqual(values[0], values[1]);
  assert.deepEqual(values[0], values[2]);
  assert.equal(values[0]?.apiVersion, "networking.istio.io/v1");
});

test("each field that is not carried out is named", () => {
  const route = "route: [{destination: {host: a}}]";
  const notYet = "is accepted but not carried out yet; it has no effect";
  const refused =
    "is accepted but not carried out yet; requests that this rule matches get status 501";
  const cases: [string, string][] = [
    [`${route}, fault: {abort: {httpStatus: 500}}`, "fault"],
    [`${route}, mirror: {host: b}`, "mirror"],
    [`${route}, mirrors: [{destination: {host: b}}]`, "mirrors"],
    [`${route}, mirrorPercentage: {value: 5}`, "mirrorPercentage"],
    [`${route}, rewrite: {uri: /}`, "rewrite"],
    ["redirect: {uri: /}", "redirect"],
    ["directResponse: {status: 200}", "directResponse"],
    ["delegate: {name: x}", "delegate"],
    [`${route}, corsPolicy: {allowOrigins: [{exact: a}]}`, "corsPolicy"],
    [`${route}, headers: {request: {set: {a: b}}}`, "headers"],
    ["route: [{destination: {host: a}, headers: {request: {set: {a: b}}}}]", "route[0].headers"],
    [`${route}, match: [{statPrefix: a}]`, "match[0].statPrefix"],
    [`${route}, retries: {attempts: 1, backoff: 5s}`, "retries.backoff"],
  ];
  for (const [fields, path] of cases) {
    const field = path
      .split(".")
      .at(-1)
      ?.replace(/\[\d+\]$/, "");
    const outcome = ["redirect", "directResponse", "delegate"].includes(path) ? refused : notYet;
    const expected = [`warning spec.http[0].${path}: ${field} ${outcome}`];
    assert.deepEqual(problems(kind, `{hosts: [a], http: [{${fields}}]}`), expected, fields);
  }
  const streams = `{hosts: [a], tcp: [{${route}}], tls: [{match: [{sniHosts: [a]}], ${route}}]}`;
  assert.deepEqual(problems(kind, streams), [
    `warning spec.tls: tls ${notYet}`,
    `warning spec.tcp: tcp ${notYet}`,
  ]);
  assert.deepEqual(problems(kind, `{http: [{${route}}]}`), [
    "warning spec.hosts: found no hosts: a delegate, which is accepted but not carried out yet",
  ]);
});

test("rules", () => {
  const http = "http: [{route: [{destination: {host: a}}]}]";
  const cases: [string, string[]][] = [
    [
      "{}",
      [
        "error spec: found no rules, want at least one in http, tls or tcp",
        "warning spec.hosts: found no hosts: a delegate, which is accepted but not carried out yet",
      ],
    ],
    [
      `{hosts: ["*"], ${http}}`,
      ['error spec.hosts[0]: found "*", which only gateways may have; want a host'],
    ],
    [`{hosts: ["*"], gateways: [gw], ${http}}`, []],
    [
      `{hosts: [a, "*.b", x.b, a], ${http}}`,
      [
        'error spec.hosts[2]: found "x.b", which "*.b" in the list covers',
        'error spec.hosts[3]: found "a" a second time',
      ],
    ],
    [
      `{hosts: [a], gateways: [a/b/c], ${http}}`,
      [
        'error spec.gateways[0]: found "a/b/c", want mesh, the name of a Gateway, or namespace/name',
      ],
    ],
    [
      `{gateways: [a], ${http}}`,
      ["error spec.hosts: found no hosts; only a delegate has none, without gateways"],
    ],
    [
      "{hosts: [a], http: [{}]}",
      ["error spec.http[0].route: found no destinations, want at least one"],
    ],
    [
      "{hosts: [a], http: [{route: [{weight: 1}]}]}",
      ["error spec.http[0].route[0].destination: is required; want an object"],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {}}]}]}",
      ["error spec.http[0].route[0].destination.host: is required; want a string"],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]}",
      ["error spec.http[0].route: found weights with sum 0; want at least one above 0"],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a}, weight: -1}]}]}",
      ["error spec.http[0].route[0].weight: found -1, want 0 to 2147483647"],
    ],
    [
      '{hosts: [a], http: [{route: [{destination: {host: a}, weight: "90"}]}]}',
      ['error spec.http[0].route[0].weight: found a string ("90"), want an integer'],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a, subset: 'a|b'}}]}]}",
      [
        "error spec.http[0].route[0].destination.subset: found \"a|b\", want a DNS label: letters, digits and '-', at most 63",
      ],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a, port: {number: 70000}}}]}]}",
      ["error spec.http[0].route[0].destination.port.number: found 70000, want 1 to 65535"],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a}}], timeout: 0s}]}",
      ['error spec.http[0].timeout: found "0s", want at least 1ms'],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a}}], timeout: 5}]}",
      [
        'error spec.http[0].timeout: found an integer (5), want a duration such as "5s", "1m30s" or "250ms"',
      ],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a}}], retries: {attempts: -1}}]}",
      ["error spec.http[0].retries.attempts: found -1, want 0 to 2147483647"],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a}}], retries: {perTryTimeout: 1s}}]}",
      [
        "error spec.http[0].retries.attempts: found none, which switches retries off, beside other settings; want at least 1",
      ],
    ],
    ["{hosts: [a], http: [{route: [{destination: {host: a}}], retries: {attempts: 0}}]}", []],
    [
      "{hosts: [a], http: [{match: [{uri: {prefix: /a, exact: /b}}], route: [{destination: {host: a}}]}]}",
      ["error spec.http[0].match[0].uri: found exact and prefix; at most one of them may be set"],
    ],
    [
      "{hosts: [a], http: [{match: [{uri: {prefix: ''}}], route: [{destination: {host: a}}]}]}",
      ['error spec.http[0].match[0].uri.prefix: found "", want a string that is not empty'],
    ],
    [
      "{hosts: [a], exportTo: ['*', '.'], http: [{route: [{destination: {host: a}}]}]}",
      ['error spec.exportTo: found "*" beside others; want it alone'],
    ],
    [
      "{hosts: [a], exportTo: ['.', default], http: [{route: [{destination: {host: a}}]}]}",
      ['error spec.exportTo[1]: found "default" a second time'],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]}",
      [
        "warning spec.http[1]: never used, because rule 0 has no match and takes everything; want it last",
      ],
    ],
    [
      "{hosts: [a], http: [{route: [{destination: {hots: a}}]}]}",
      [
        "error spec.http[0].route[0].destination.host: is required; want a string",
        'warning spec.http[0].route[0].destination.hots: unknown field "hots"; did you mean host?',
      ],
    ],
  ];
  for (const [yaml, expected] of cases) assert.deepEqual(problems(kind, yaml), expected, yaml);
});
