import assert from "node:assert/strict";
import { test } from "node:test";
import { syncDiff } from "./sync-diff.ts";

const ADMIN = "type.googleapis.com/envoy.admin.v3";
const CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
const LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener";

const ours = (clusters: readonly unknown[], hosts: readonly unknown[]) =>
  JSON.stringify({
    configs: [
      {
        "@type": `${ADMIN}.ClustersConfigDump`,
        dynamicActiveClusters: clusters.map(cluster => ({ cluster })),
      },
      {
        "@type": `${ADMIN}.ListenersConfigDump`,
        dynamicListeners: [
          { name: "l", activeState: { listener: { "@type": LISTENER, name: "l" } } },
        ],
      },
      {
        "@type": `${ADMIN}.RoutesConfigDump`,
        dynamicRouteConfigs: [
          { routeConfig: { "@type": ROUTES, name: "80", virtualHosts: hosts } },
        ],
      },
    ],
  });

/** As Envoy writes it: proto names, versions, times, an order of its own. */
const envoys = (clusters: readonly unknown[], hosts: readonly unknown[]) =>
  JSON.stringify({
    configs: [
      {
        "@type": `${ADMIN}.ClustersConfigDump`,
        version_info: "7",
        static_clusters: [{ cluster: { "@type": CLUSTER, name: "xds-grpc" } }],
        dynamic_active_clusters: clusters.map(cluster => ({
          version_info: "7",
          cluster,
          last_updated: "2020-08-04T06:22:50.123Z",
        })),
      },
      {
        "@type": `${ADMIN}.ListenersConfigDump`,
        dynamic_listeners: [
          { name: "warming", warming_state: { listener: { "@type": LISTENER, name: "warming" } } },
          {
            name: "l",
            active_state: { version_info: "1", listener: { "@type": LISTENER, name: "l" } },
          },
        ],
      },
      {
        "@type": `${ADMIN}.RoutesConfigDump`,
        dynamic_route_configs: [
          {
            version_info: "3",
            route_config: { "@type": ROUTES, name: "80", virtual_hosts: hosts, vhds: {} },
            last_updated: "2020-08-04T06:22:54.123Z",
          },
        ],
      },
    ],
  });

const hosts = (...names: string[]) => names.map(name => ({ name, domains: [name] }));

test("equal in content: spelling, order of clusters and of single virtual hosts do not matter", () => {
  const sent = ours(
    [
      { "@type": CLUSTER, name: "b", connectTimeout: "10s" },
      { "@type": CLUSTER, name: "a", type: "EDS" },
    ],
    hosts("x", "y"),
  );
  const loaded = envoys(
    [
      { "@type": CLUSTER, name: "a", type: "EDS" },
      { "@type": CLUSTER, name: "b", connect_timeout: "10s" },
    ],
    hosts("y", "x"),
  );
  assert.equal(
    syncDiff(sent, loaded, "UTC"),
    "Clusters Match\nListeners Match\n" +
      "Routes Match (RDS last loaded at Tue, 04 Aug 2020 06:22:54 UTC)\n",
  );
});

test("what differs is shown as istioctl shows it", () => {
  const sent = ours([{ "@type": CLUSTER, name: "a", type: "EDS" }], hosts("x", "y"));
  const loaded = envoys([{ "@type": CLUSTER, name: "a", connect_timeout: "1s" }], hosts("y"));
  assert.equal(
    syncDiff(sent, loaded, "UTC"),
    `--- Istiod Clusters
+++ Envoy Clusters
@@ -1,11 +1,11 @@
 {
     "dynamicActiveClusters": [
         {
             "cluster": {
                 "@type": "${CLUSTER}",
                 "name": "a",
-                "type": "EDS"
+                "connectTimeout": "1s"
             }
         }
     ]
 }

Listeners Match
Routes Don't Match (RDS last loaded at Tue, 04 Aug 2020 06:22:54 UTC)
--- Istiod Routes
+++ Envoy Routes
@@ -2,20 +2,14 @@
     "dynamicRouteConfigs": [
         {
             "routeConfig": {
                 "@type": "${ROUTES}",
                 "name": "80",
                 "virtualHosts": [
                     {
-                        "name": "x",
-                        "domains": [
-                            "x"
-                        ]
-                    },
-                    {
                         "name": "y",
                         "domains": [
                             "y"
                         ]
                     }
                 ]
             }

`,
  );
});

test("an Envoy that has loaded nothing", () => {
  const empty = JSON.stringify({ configs: [] });
  assert.match(syncDiff(empty, empty), /^Clusters Match\nListeners Match\nRoutes Match\n$/);
  const diff = syncDiff(ours([{ "@type": CLUSTER, name: "a" }], []), empty);
  assert.match(diff, /^@@ -1,10 \+1 @@\n-\{\n(?:-.*\n)+\+\{\}\n/m);
});
