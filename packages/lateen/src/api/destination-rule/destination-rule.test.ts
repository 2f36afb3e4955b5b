import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, plain, problems } from "../../../test/support/api.ts";
import { destinationRuleKind as kind } from "./kind.ts";

test("what is carried out decodes without a word", () => {
  const yaml = `
    host: demoapp
    trafficPolicy:
      loadBalancer: {simple: LEAST_CONN}
      tls: {mode: SIMPLE, sni: a.b, caCertificates: /etc/ca.pem, subjectAltNames: [a.b]}
      portLevelSettings:
      - port: {number: 8080}
        tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k}
    subsets:
    - {name: v10, labels: {version: v1.0}}
    - name: v11
      labels: {version: v1.1}
      trafficPolicy: {loadBalancer: {simple: RANDOM}}
    exportTo: [default]`;
  assert.deepEqual(problems(kind, yaml), []);
  const { spec } = decoded(kind, yaml);
  assert.deepEqual(plain(spec.subsets), [
    { name: "v10", labels: { version: "v1.0" } },
    {
      name: "v11",
      labels: { version: "v1.1" },
      trafficPolicy: { loadBalancer: { simple: "RANDOM" }, portLevelSettings: [] },
    },
  ]);
  assert.equal(spec.trafficPolicy?.portLevelSettings[0]?.port?.number, 8080);
});

test("each field that is not carried out is named", () => {
  const policies: [string, string][] = [
    ["connectionPool: {http: {maxRetries: 1}}", "connectionPool"],
    ["outlierDetection: {interval: 1s}", "outlierDetection"],
    ["loadBalancer: {consistentHash: {useSourceIp: true}}", "loadBalancer.consistentHash"],
    ["loadBalancer: {localityLbSetting: {enabled: true}}", "loadBalancer.localityLbSetting"],
    ["loadBalancer: {warmupDurationSecs: 5s}", "loadBalancer.warmupDurationSecs"],
    ["loadBalancer: {warmup: {duration: 5s}}", "loadBalancer.warmup"],
    ["tls: {mode: SIMPLE, caCrl: a}", "tls.caCrl"],
    ["tunnel: {targetHost: a, targetPort: 1}", "tunnel"],
    ["proxyProtocol: {version: V2}", "proxyProtocol"],
    ["retryBudget: {percent: 5}", "retryBudget"],
  ];
  for (const [policy, path] of policies)
    for (const [yaml, at] of [
      [`{host: a, trafficPolicy: {${policy}}}`, "spec.trafficPolicy"],
      [
        `{host: a, subsets: [{name: v1, trafficPolicy: {${policy}}}]}`,
        "spec.subsets[0].trafficPolicy",
      ],
    ] as const)
      assert.deepEqual(problems(kind, yaml), [
        `warning ${at}.${path}: ${path.split(".").at(-1)} is accepted but not carried out yet; it has no effect`,
      ]);
  assert.match(
    problems(kind, "{host: a, workloadSelector: {matchLabels: {a: b}}}")[0] ?? "",
    /^warning spec.workloadSelector/,
  );
});

test("rules", () => {
  const cases: [string, string[]][] = [
    ["{}", ["error spec.host: is required; want a string"]],
    [
      "{host: 10.0.0.1}",
      [
        'error spec.host: found "10.0.0.1", want a host name such as reviews.default.svc.cluster.local, "*.example.com" or "*"',
      ],
    ],
    [
      "{host: a, subsets: [{name: v1}, {name: v1}]}",
      ['error spec.subsets[1].name: found "v1" a second time'],
    ],
    [
      "{host: a, subsets: [{labels: {a: b}}]}",
      ["error spec.subsets[0].name: is required; want a string"],
    ],
    [
      "{host: a, subsets: [{name: v1, labels: {a: 1}}]}",
      ["error spec.subsets[0].labels.a: found an integer (1), want a string"],
    ],
    [
      "{host: a, trafficPolicy: {}}",
      ["error spec.trafficPolicy: found no settings, want at least one"],
    ],
    [
      "{host: a, trafficPolicy: {loadBalancer: {simple: LEAST_REQ}}}",
      [
        'error spec.trafficPolicy.loadBalancer.simple: found "LEAST_REQ", want one of UNSPECIFIED, LEAST_CONN, RANDOM, PASSTHROUGH, ROUND_ROBIN, LEAST_REQUEST; did you mean LEAST_REQUEST?',
      ],
    ],
    [
      "{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}",
      [
        "error spec.trafficPolicy.tls.clientCertificate: is required for mode MUTUAL",
        "error spec.trafficPolicy.tls.privateKey: is required for mode MUTUAL",
      ],
    ],
    [
      "{host: a, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true, caCertificates: /a}}}",
      ["error spec.trafficPolicy.tls.caCertificates: may not be set beside insecureSkipVerify"],
    ],
    [
      "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, privateKey: /a}}}",
      ["warning spec.trafficPolicy.tls.privateKey: has no effect: ISTIO_MUTUAL has the mesh's own"],
    ],
    [
      "{host: a, trafficPolicy: {portLevelSettings: [{tls: {mode: DISABLE}}]}}",
      [
        "error spec.trafficPolicy.portLevelSettings[0].port: is required; want the number of a port",
      ],
    ],
    [
      "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 1}}]}}",
      [
        "error spec.trafficPolicy.portLevelSettings[0]: found no settings, want loadBalancer or tls",
      ],
    ],
  ];
  for (const [yaml, expected] of cases) assert.deepEqual(problems(kind, yaml), expected, yaml);
});
