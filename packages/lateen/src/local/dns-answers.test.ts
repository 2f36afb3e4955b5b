import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, type DnsView, type NamedService } from "./dns-answers.ts";
import type { ServiceEndpoint } from "./service-view.ts";

const base: NamedService = {
  namespace: "default",
  name: "web",
  clusterIp: "10.0.0.1",
  externalName: undefined,
  publishNotReady: false,
  ports: [{ name: "http", port: 80, protocol: "TCP" }],
};
const services: readonly NamedService[] = [
  base,
  { ...base, name: "db", clusterIp: "None" },
  { ...base, name: "outside", clusterIp: "", externalName: "example.org" },
  { ...base, name: "fresh", clusterIp: "" },
  { ...base, name: "empty", clusterIp: "None" },
];
const endpoint = (address: string, more: Partial<ServiceEndpoint> = {}): ServiceEndpoint => ({
  address,
  hostname: undefined,
  ready: true,
  draining: false,
  ports: [{ name: "http", port: 8080 }],
  ...more,
});
const view: DnsView = {
  domain: "cluster.local",
  service: (namespace, name) =>
    services.find(service => service.namespace === namespace && service.name === name),
  endpoints: (_namespace, name) =>
    name === "db"
      ? [
          endpoint("10.1.0.1", { hostname: "db-0" }),
          endpoint("10.1.0.2"),
          endpoint("10.1.0.3", { ready: false }),
        ]
      : [],
  nameOf: address => (address === "10.0.0.1" ? "web.default.svc.cluster.local" : undefined),
};

/** `kind`, or the records as `TYPE data`. */
function ask(name: string, type: string): string {
  const found = answer(view, name, type);
  if (found.kind !== "records") return found.kind;
  return found.records
    .map(({ type: kind, data }) =>
      typeof data === "string" ? `${kind} ${data}` : `${kind} ${data.target}:${data.port}`,
    )
    .join(", ");
}

const cases: readonly (readonly [string, string, string])[] = [
  ["web.default.svc.cluster.local", "A", "A 10.0.0.1"],
  ["WEB.Default.svc.cluster.local.", "A", "A 10.0.0.1"],
  ["web.default.svc.cluster.local", "AAAA", ""],
  ["other.default.svc.cluster.local", "A", "NXDOMAIN"],
  ["web.default.svc.cluster.local.svc.cluster.local", "A", "NXDOMAIN"],
  ["web.cluster.local", "A", "NXDOMAIN"],
  ["default.svc.cluster.local", "A", ""],
  ["cluster.local", "A", "NXDOMAIN"],
  ["db.default.svc.cluster.local", "A", "A 10.1.0.1, A 10.1.0.2"],
  ["db-0.db.default.svc.cluster.local", "A", "A 10.1.0.1"],
  ["10-1-0-2.db.default.svc.cluster.local", "A", "A 10.1.0.2"],
  ["x.web.default.svc.cluster.local", "A", "NXDOMAIN"],
  ["empty.default.svc.cluster.local", "A", "NXDOMAIN"],
  ["fresh.default.svc.cluster.local", "A", ""],
  ["outside.default.svc.cluster.local", "A", "CNAME example.org"],
  ["_http._tcp.web.default.svc.cluster.local", "SRV", "SRV web.default.svc.cluster.local:80"],
  [
    "_http._tcp.db.default.svc.cluster.local",
    "SRV",
    "SRV db-0.db.default.svc.cluster.local:8080, SRV 10-1-0-2.db.default.svc.cluster.local:8080",
  ],
  ["_grpc._tcp.web.default.svc.cluster.local", "SRV", "NXDOMAIN"],
  ["1.0.0.10.in-addr.arpa", "PTR", "PTR web.default.svc.cluster.local"],
  ["9.9.9.9.in-addr.arpa", "PTR", "forward"],
  ["example.org", "A", "forward"],
  ["web", "A", "forward"],
  ["notcluster.local", "A", "forward"],
];

for (const [name, type, expected] of cases)
  test(`${type} ${name}`, () => assert.equal(ask(name, type), expected));
