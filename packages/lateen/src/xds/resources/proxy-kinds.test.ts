/** What the same objects are for a sidecar and for a gateway. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cluster,
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_LbPolicy as LbPolicy,
} from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  destinationRule,
  pod,
  proxy,
  service,
  serviceEntry,
  slice,
} from "../../../test/support/mesh-objects.ts";
import type { JsonObject } from "../../api/kind.ts";
import { TypeUrl } from "../resource.ts";

const HOST = "web.default.svc.cluster.local";

function meshOf(clusterIP: string, policy: JsonObject = { loadBalancer: {} }): TestMesh {
  const mesh = new TestMesh();
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/web" }, { clusterIP, ports, selector: { app: "web" } }),
  );
  const labels = { app: "web", version: "v1", "security.istio.io/tlsMode": "istio" };
  mesh.set(mesh.inputs.pods, pod({ at: "default/p", labels }, { ip: "10.0.0.9" }));
  mesh.set(
    mesh.inputs.endpointSlices,
    slice("default/web-a", {
      service: "web",
      ports: { http: 8080 },
      pods: [{ name: "p", ip: "10.0.0.9" }],
    }),
  );
  mesh.set(
    mesh.inputs.destinationRules,
    destinationRule(
      { at: "default/web" },
      { host: "web", trafficPolicy: policy, subsets: [{ name: "v1", labels: { version: "v1" } }] },
    ),
  );
  mesh.connect(proxy("default/client"), proxy("default/edge", { type: "router" }));
  return mesh;
}

function clusterOf(mesh: TestMesh, at: string, name: string): Cluster {
  const body = mesh.resource(at, TypeUrl.cluster, name)?.body;
  assert.ok(body, `${at} has no cluster ${name}`);
  return Cluster.decode(body);
}

function addresses(mesh: TestMesh, at: string, name: string): readonly (string | undefined)[] {
  const body = mesh.resource(at, TypeUrl.endpoint, name)?.body;
  if (body === undefined) return [];
  return (ClusterLoadAssignment.decode(body).endpoints ?? []).flatMap(({ lbEndpoints = [] }) =>
    lbEndpoints.map(each => each.endpoint?.address?.socketAddress?.address),
  );
}

const PASSTHROUGH = { loadBalancer: { simple: "PASSTHROUGH" } };
const ORIGINS: Readonly<Record<string, () => TestMesh>> = {
  "a headless service": () => meshOf("None"),
  "a rule with PASSTHROUGH": () => meshOf("10.1.0.1", PASSTHROUGH),
  "a headless service under a rule with PASSTHROUGH": () => meshOf("None", PASSTHROUGH),
};

for (const [origin, make] of Object.entries(ORIGINS))
  for (const subset of ["", "v1"])
    test(`${origin}, subset "${subset}": the client's own address, or at gateways EDS`, () => {
      const mesh = make();
      const name = `outbound|80|${subset}|${HOST}`;
      const atSidecar = clusterOf(mesh, "default/client", name);
      assert.equal(atSidecar.type, DiscoveryType.ORIGINAL_DST);
      assert.equal(atSidecar.lbPolicy, LbPolicy.CLUSTER_PROVIDED);
      // No endpoint says whether it speaks the mesh's TLS: all of them do.
      assert.ok(atSidecar.transportSocket);
      const atGateway = clusterOf(mesh, "default/edge", name);
      assert.equal(atGateway.type, DiscoveryType.EDS);
      // Without a name of its own the assignment has the cluster's.
      assert.equal(atGateway.edsClusterConfig?.serviceName || atGateway.name, name);
      assert.equal(atGateway.lbPolicy, LbPolicy.LEAST_REQUEST);
      // What does not say that it speaks the mesh's TLS matches nothing, and is called in plaintext.
      assert.deepEqual(
        atGateway.transportSocketMatches?.map(each => each.match),
        [{ tlsMode: "istio" }],
      );
      assert.equal(atGateway.transportSocket, undefined);
      assert.deepEqual(addresses(mesh, "default/edge", name), ["10.0.0.9"]);
    });

test("one port with PASSTHROUGH differs, the other is the same for all", () => {
  const mesh = meshOf("10.1.0.1", {
    portLevelSettings: [{ port: { number: 80 }, ...PASSTHROUGH }],
  });
  const ports = [
    { name: "http", port: 80 },
    { name: "http-2", port: 81 },
  ];
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/web" }, { clusterIP: "10.1.0.1", ports, selector: { app: "web" } }),
  );
  const type = (at: string, port: number) => clusterOf(mesh, at, `outbound|${port}||${HOST}`).type;
  assert.equal(type("default/client", 80), DiscoveryType.ORIGINAL_DST);
  assert.equal(type("default/edge", 80), DiscoveryType.EDS);
  assert.equal(type("default/client", 81), DiscoveryType.EDS);
  assert.equal(type("default/edge", 81), DiscoveryType.EDS);
});

test("a ServiceEntry without resolution: EDS of its endpoints at gateways", () => {
  const mesh = meshOf("10.1.0.1");
  const entry = (name: string, spec: JsonObject) =>
    serviceEntry(
      { at: `default/${name}` },
      {
        hosts: [`${name}.example`],
        ports: [{ number: 80, name: "http", protocol: "HTTP" }],
        ...spec,
      },
    );
  mesh.set(
    mesh.inputs.serviceEntries,
    entry("none", { resolution: "NONE", workloadSelector: { labels: { app: "web" } } }),
    entry("dns", { resolution: "DNS" }),
  );
  mesh.set(
    mesh.inputs.destinationRules,
    destinationRule({ at: "default/dns" }, { host: "dns.example", trafficPolicy: PASSTHROUGH }),
  );
  const none = "outbound|80||none.example";
  assert.equal(clusterOf(mesh, "default/client", none).type, DiscoveryType.ORIGINAL_DST);
  assert.equal(clusterOf(mesh, "default/edge", none).type, DiscoveryType.EDS);
  assert.deepEqual(addresses(mesh, "default/edge", none), ["10.0.0.9"]);
  const dns = "outbound|80||dns.example";
  assert.equal(clusterOf(mesh, "default/client", dns).type, DiscoveryType.ORIGINAL_DST);
  assert.equal(clusterOf(mesh, "default/client", dns).loadAssignment, undefined);
  assert.equal(clusterOf(mesh, "default/edge", dns).type, DiscoveryType.STRICT_DNS);
  assert.equal(clusterOf(mesh, "default/edge", dns).lbPolicy, LbPolicy.LEAST_REQUEST);
});

test("a gateway prefers near endpoints of a headless service", () => {
  const mesh = meshOf("None");
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  const spec = { clusterIP: "None", ports, selector: { app: "web" } };
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/web" }, { ...spec, trafficDistribution: "PreferClose" }),
  );
  const found = clusterOf(mesh, "default/edge", `outbound|80||${HOST}`);
  assert.ok(found.commonLbConfig?.localityWeightedLbConfig);
  assert.deepEqual(addresses(mesh, "default/edge", `outbound|80||${HOST}`), ["10.0.0.9"]);
});
