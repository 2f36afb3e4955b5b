/** The tables of seed 003, from dumps that say what its Envoys said. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterTable, selectClusters } from "./clusters.ts";
import type { Cluster, Listener, RouteConfiguration } from "./config-dump.ts";
import { endpointTable } from "./endpoints.ts";
import { listenerTable, selectListeners } from "./listeners.ts";
import { renderObject } from "./object.ts";
import { routeTable, selectRoutes } from "./routes.ts";
import { parseSyncz, statusTable } from "./status.ts";

const HCM = "envoy.filters.network.http_connection_manager";
const TCP = "envoy.filters.network.tcp_proxy";
const at = (address: string, port: number) => ({ socket_address: { address, port_value: port } });

const LISTENERS: Listener[] = [
  {
    name: "0.0.0.0_8080",
    address: at("0.0.0.0", 8080),
    filter_chains: [
      {
        filter_chain_match: {
          transport_protocol: "raw_buffer",
          application_protocols: ["http/1.1", "h2c"],
        },
        filters: [{ name: HCM, typed_config: { rds: { route_config_name: "8080" } } }],
      },
    ],
    default_filter_chain: {
      filters: [{ name: TCP, typed_config: { cluster: "PassthroughCluster" } }],
    },
  },
  {
    address: at("0.0.0.0", 15021),
    filter_chains: [{ filters: [{ name: HCM, typed_config: { route_config: health() } }] }],
  },
];

function health(): RouteConfiguration {
  return {
    virtual_hosts: [
      {
        name: "backend",
        domains: ["*"],
        routes: [{ match: { prefix: "/healthz/ready" }, route: { cluster: "agent" } }],
      },
    ],
  };
}

test("pc listeners --port 8080, as in seed 003", () => {
  const filter = { address: undefined, port: 8080, type: undefined };
  assert.equal(
    listenerTable(selectListeners(LISTENERS, filter), { compat: "1.14", verbose: true }),
    [
      "ADDRESS PORT MATCH                                DESTINATION",
      "0.0.0.0 8080 Trans: raw_buffer; App: http/1.1,h2c Route: 8080",
      "0.0.0.0 8080 ALL                                  PassthroughCluster",
      "",
    ].join("\n"),
  );
});

test("pc listeners: inline routes, and today's first column", () => {
  const filter = { address: undefined, port: 15021, type: "http" };
  assert.equal(
    listenerTable(selectListeners(LISTENERS, filter), { compat: undefined, verbose: true }),
    [
      "ADDRESSES PORT  MATCH DESTINATION",
      "0.0.0.0   15021 ALL   Inline Route: /healthz/ready*",
      "",
    ].join("\n"),
  );
});

const SIDECAR_ROUTE: RouteConfiguration = {
  name: "8080",
  virtual_hosts: [
    {
      name: "demoappv10.default.svc.cluster.local:8080",
      domains: [
        "demoappv10.default.svc.cluster.local",
        "demoappv10.default.svc.cluster.local.",
        "demoappv10",
        "demoappv10.default.svc",
        "demoappv10.default",
        "10.93.1.10",
      ],
      routes: [{ match: { prefix: "/" }, route: { cluster: "outbound|8080||demoappv10" } }],
    },
    {
      name: "allow_any",
      domains: ["*"],
      routes: [{ match: { prefix: "/" }, route: { cluster: "PassthroughCluster" } }],
    },
  ],
};

test("pc routes --name 8080, as in seed 003 and as today", () => {
  const chosen = selectRoutes([SIDECAR_ROUTE, { name: "80" }], "8080");
  assert.equal(
    routeTable(chosen, { compat: "1.14", verbose: true }),
    [
      "NAME     DOMAINS                                        MATCH     VIRTUAL SERVICE",
      "8080     demoappv10, demoappv10.default + 1 more...     /*        ",
      "",
    ].join("\n"),
  );
  assert.match(
    routeTable(chosen, { compat: undefined, verbose: true }),
    /^NAME {5}VHOST NAME {2,}DOMAINS {2,}MATCH {5}VIRTUAL SERVICE\n8080 {5}demoappv10.default.svc.cluster.local:8080 {5}demoappv10.default.svc.cluster.local., demoappv10 \+ 2 more... {5}\/\*/,
  );
});

test("pc routes of a gateway: 404 before a VirtualService, its name after", () => {
  const probes = { ...health(), name: "" };
  const stats: RouteConfiguration = {
    virtual_hosts: [
      { domains: ["*"], routes: [{ match: { prefix: "/stats/prometheus" }, route: {} }] },
    ],
  };
  const inSeedOrder = selectRoutes([stats, probes], undefined);
  assert.deepEqual(inSeedOrder, [probes, stats], "whatever the order in Envoy's dump");
  const before: RouteConfiguration = {
    name: "http.8080",
    virtual_hosts: [{ name: "blackhole:80", domains: ["*"], routes: [] }],
  };
  const options = { compat: "1.14", verbose: true } as const;
  assert.match(
    routeTable(selectRoutes([before, probes], undefined), options),
    /http\.8080 {5}\* {11}\/\* {18}404\n {14}\* {11}\/healthz\/ready\*/,
  );
  const config = "/apis/networking.istio.io/v1/namespaces/default/virtual-service/demoapp";
  const after: RouteConfiguration = {
    name: "http.8080",
    virtual_hosts: [
      {
        name: "demoapp.magedu.com:80",
        domains: ["demoapp.magedu.com"],
        routes: [{ match: { prefix: "/" }, metadata: { filter_metadata: { istio: { config } } } }],
      },
    ],
  };
  assert.match(
    routeTable([after], options),
    /http\.8080 {5}demoapp\.magedu\.com {5}\/\* {8}demoapp\.default\n/,
  );
});

test("pc clusters --port 8080", () => {
  const clusters: Cluster[] = [
    { name: "outbound|8080||demoappv10.default.svc.cluster.local", type: "EDS" },
    { name: "outbound|80||sleep.default.svc.cluster.local", type: "EDS" },
    { name: "BlackHoleCluster", type: "STATIC" },
  ];
  const filter = { fqdn: undefined, port: 8080, subset: undefined, direction: undefined };
  assert.equal(
    clusterTable(selectClusters(clusters, filter)),
    [
      "SERVICE FQDN                             PORT     SUBSET     DIRECTION     TYPE     DESTINATION RULE",
      "demoappv10.default.svc.cluster.local     8080     -          outbound      EDS      ",
      "",
    ].join("\n"),
  );
  assert.match(clusterTable(clusters), /BlackHoleCluster {2,}- {8}- {10}- {13}STATIC/);
});

test("pc endpoints --port 8080", () => {
  const cluster = {
    name: "outbound|8080||demoappv10.default.svc.cluster.local",
    host_statuses: [
      { address: at("10.200.58.214", 8080), health_status: { eds_health_status: "HEALTHY" } },
      { address: at("10.200.135.152", 8080), health_status: { eds_health_status: "HEALTHY" } },
      { address: at("10.200.1.1", 80), health_status: { eds_health_status: "HEALTHY" } },
    ],
  };
  const filter = { address: undefined, port: 8080, cluster: undefined, status: undefined };
  assert.equal(
    endpointTable([cluster], filter),
    [
      "ENDPOINT                STATUS      OUTLIER CHECK     CLUSTER",
      "10.200.135.152:8080     HEALTHY     OK                outbound|8080||demoappv10.default.svc.cluster.local",
      "10.200.58.214:8080      HEALTHY     OK                outbound|8080||demoappv10.default.svc.cluster.local",
      "",
    ].join("\n"),
  );
});

test("ps: today's table, a column for each type, and those of 1.14 and 1.12", () => {
  const status = {
    proxy: "istio-egressgateway-55748d4c9b-q5pqk.istio-system",
    cluster_id: "Kubernetes",
    istio_version: "1.14.3",
    types: {
      CDS: { state: "SYNCED", age_ms: 12_000 },
      LDS: { state: "SYNCED", age_ms: 200_000 },
      EDS: { state: "STALE" },
      RDS: { state: "NOT SENT" },
    },
  };
  const proxies = parseSyncz(new Map([["istiod-1", JSON.stringify([status])]]));
  assert.match(
    statusTable(proxies, { compat: undefined, verbosity: 0 }),
    /Kubernetes {5}istiod-1 {5}1\.14\.3 {6}4 \(CDS,LDS,EDS,RDS\) EDS STALE\n$/,
  );
  assert.match(
    statusTable(proxies, { compat: undefined, verbosity: 1 }),
    /SYNCED \(12s\) +STALE +SYNCED \(3m20s\) +NOT SENT/,
  );
  assert.match(
    statusTable(proxies, { compat: "1.14", verbosity: 0 }),
    /^NAME +CLUSTER +CDS +LDS +EDS +RDS +ECDS +ISTIOD +VERSION\n.* SYNCED +SYNCED +STALE +NOT SENT +NOT SENT +istiod-1/,
  );
  assert.match(
    statusTable(proxies, { compat: "1.12", verbosity: 0 }),
    /^NAME +CDS +LDS +EDS +RDS +ISTIOD +VERSION\n/,
  );
  const rejected = { RDS: { state: "SYNCED" }, VHDS: { state: "ERROR" } };
  const troubled = [{ ...status, types: { ...status.types, ...rejected } }];
  assert.match(
    statusTable(parseSyncz(new Map([["istiod-1", JSON.stringify(troubled)]])), {
      compat: "1.14",
      verbosity: 0,
    }),
    /SYNCED +SYNCED +STALE +STALE +NOT SENT/,
    "virtual hosts are routes",
  );
});

test("a proxy that is connected to one of several replicas is not missed by the others", () => {
  const row = { proxy_type: "sidecar", cluster_id: "Kubernetes", istio_version: "" };
  const missing = (proxy: string, why: string) => ({
    ...{ ...row, proxy, types: {} },
    waiting: `not connected to the control plane; ${why}`,
  });
  const types = { CDS: { state: "SYNCED" } };
  const proxies = parseSyncz(
    new Map([
      [
        "one",
        JSON.stringify([
          missing("a.x", "the pod is Running"),
          missing("b.x", "the pod is Pending"),
        ]),
      ],
      [
        "two",
        JSON.stringify([{ ...row, proxy: "a.x", types }, missing("b.x", "refused: no token")]),
      ],
    ]),
  );
  assert.deepEqual(
    proxies.map(({ istiod, status }) => [status.proxy, istiod, status.waiting]),
    [
      ["a.x", "two", undefined],
      ["b.x", "two", "not connected to the control plane; refused: no token"],
    ],
  );
});

test("YAML as kubectl and istioctl write it", async () => {
  const value = { b: [{ q: 1, p: "2026-11-21T11:34:08Z" }], a: "on", c: [] };
  assert.equal(
    await renderObject(value, "yaml"),
    'a: "on"\nb:\n- p: "2026-11-21T11:34:08Z"\n  q: 1\nc: []\n',
  );
});
