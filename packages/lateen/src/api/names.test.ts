import assert from "node:assert/strict";
import { test } from "node:test";
import { gatewayHost } from "./gateway/hosts.ts";
import {
  dataKey,
  dnsLabel,
  dnsLabel1035,
  dnsSubdomain,
  envName,
  labelValue,
  portName,
  qualifiedName,
} from "./names.ts";
import {
  covers,
  fqdn,
  gatewayReference,
  ipOrCidr,
  istioLabel,
  serviceVisibility,
  visibility,
  wildcardHost,
  wildcardHostOrIp,
} from "./networking/hosts.ts";
import type { StringCheck } from "./schema.ts";
import { egressHost } from "./sidecar/hosts.ts";
import { headerName, retryConditions } from "./virtual-service/checks.ts";

const long = (n: number): string => "a".repeat(n);

const cases: [string, StringCheck, string[], string[]][] = [
  [
    "dnsLabel",
    dnsLabel,
    ["a", "a-1", "0a", long(63)],
    ["", "A", "-a", "a-", "a.b", "a_b", long(64)],
  ],
  ["dnsLabel1035", dnsLabel1035, ["a", "a1"], ["1a", "", "-a"]],
  ["dnsSubdomain", dnsSubdomain, ["a", "a.b-c.0"], ["", ".a", "a.", "a..b", "A", long(254)]],
  [
    "qualifiedName",
    qualifiedName,
    ["a", "A_b.c", "x.io/a", "kubernetes.io/metadata.name"],
    ["", "/a", "x.io/", "X.io/a", "a/b/c", "-a", long(64)],
  ],
  ["labelValue", labelValue, ["", "v1", "A_b.c"], ["-a", "a b", "a/b", long(64)]],
  ["portName", portName, ["http", "h2-c", "a1"], ["", "123", "HTTP", "a--b", "-a", long(16)]],
  ["dataKey", dataKey, ["a", "tls.crt", "A_b"], ["", ".", "..", "a/b", long(254)]],
  ["envName", envName, ["A", "a.b", "1"], ["", "A=B", "ä"]],
  [
    "wildcardHost",
    wildcardHost,
    ["*", "*.com", "*-a.b", "*a.b", "*x", "reviews", "a.b.c", "A.b", "istio.io.", "1a.b"],
    ["", "a.*", "**.b", "*-.b", "a*.b", "10.0.0.1", "a..b", "-a.b", ".", "a_b", long(256), "8080"],
  ],
  ["wildcardHostOrIp", wildcardHostOrIp, ["10.0.0.1", "::1", "*.a"], ["10.0.0.256", "a/b"]],
  ["fqdn", fqdn, ["a", "a.b.", "1.a"], ["*.a", "1.2.3.4", "a.1", ""]],
  [
    "ipOrCidr",
    ipOrCidr,
    ["10.0.0.1", "10.0.0.0/8", "::/0", "fd00::1/128"],
    ["10.0.0.0/33", "a", "10.0.0.0/", "1.1.1.1/8/9", "::/129"],
  ],
  [
    "gatewayReference",
    gatewayReference,
    ["mesh", "gw", "istio-system/gw", "gw.ns.svc.cluster.local"],
    ["", "/gw", "ns/", "./gw", "a/b/c", "*", "NS/gw"],
  ],
  ["visibility", visibility, ["*", ".", "default"], ["~", "", "a.b", "**"]],
  ["serviceVisibility", serviceVisibility, ["~", "*"], ["", "A"]],
  ["istioLabel", istioLabel, ["v1", "V1", "1"], ["", "a.b", "a|b", long(64)]],
  ["gatewayHost", gatewayHost, ["*", "a.b", "ns/*.a", "./*", "*/a"], ["", "a/b/c", "~/a", "ns/"]],
  [
    "egressHost",
    egressHost,
    ["./*", "*/*", "~/*", "ns/a.b", "ns/*.a"],
    ["*", "a.b", "ns/", "/a", "a/b/c"],
  ],
  ["headerName", headerName, ["x-user", ":authority", "X_a"], ["", "a b", "a:", "ä"]],
  [
    "retryConditions",
    retryConditions,
    ["", "5xx", "503", "5xx,connect-failure, reset", "gateway-error,429"],
    ["5XX", "99", "600", "5xx,", "conect-failure"],
  ],
];

for (const [name, check, good, bad] of cases)
  test(`check ${name}`, () => {
    for (const text of good) assert.equal(check(text), undefined, `"${text}" is fine`);
    for (const text of bad) assert.notEqual(check(text), undefined, `"${text}" is wrong`);
  });

test("a misspelt retry condition is suggested", () => {
  assert.match(retryConditions("conect-failure") ?? "", /did you mean connect-failure\?/);
});

test("wildcards cover what ends like them", () => {
  assert.ok(covers("*", "a"));
  assert.ok(covers("*.com", "a.com"));
  assert.ok(covers("*.com", "*.a.com"));
  assert.ok(!covers("*.a.com", "*.com"));
  assert.ok(!covers("a.com", "*.com"));
  assert.ok(!covers("*.com", "com"));
});
