/** What proxies with addresses of either IP family, or of both, are sent. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Cluster } from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  gateway,
  type ProxyOptions,
  pod,
  proxy,
  service,
  slice,
} from "../../../test/support/mesh-objects.ts";
import { TypeUrl } from "../resource.ts";

const HTTP = [{ name: "http", port: 80, targetPort: 8080 }];
const TCP = [{ name: "tcp", port: 5432 }];
const BOTH = { clusterIP: "10.1.0.1", clusterIPs: ["10.1.0.1", "fd00:1::1"] };
const SIX = { clusterIP: "fd00:1::6", clusterIPs: ["fd00:1::6"] };
const POD = { at: "default/p", labels: { app: "x" } };

function meshFor(options: ProxyOptions): TestMesh {
  const mesh = new TestMesh();
  const selector = { app: "x" };
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/web" }, { ...BOTH, selector, ports: HTTP }),
    service({ at: "default/db" }, { ...BOTH, selector, ports: TCP }),
    service({ at: "default/six" }, { ...SIX, selector, ports: [{ name: "tcp", port: 6 }] }),
    service(
      { at: "default/peers" },
      { clusterIP: "None", selector, ports: [{ name: "tcp", port: 7 }] },
    ),
  );
  mesh.set(mesh.inputs.pods, pod(POD, { ip: "10.0.0.9", otherIp: "fd00::9" }));
  const sliceOf = (name: string, ports: Record<string, number>, ip: string) =>
    slice(`default/${name}-${ip.includes(":") ? "6" : "4"}`, {
      service: name,
      ports,
      pods: [{ name: "p", ip }],
    });
  mesh.set(
    mesh.inputs.endpointSlices,
    ...["10.0.0.9", "fd00::9"].flatMap(ip => [
      sliceOf("web", { http: 8080 }, ip),
      sliceOf("db", { tcp: 5432 }, ip),
      sliceOf("peers", { tcp: 7 }, ip),
    ]),
    sliceOf("six", { tcp: 6 }, "fd00::9"),
  );
  mesh.connect(proxy("default/client", options));
  return mesh;
}

function addressesOf(mesh: TestMesh, name: string): readonly string[] {
  const body = mesh.resource("default/client", TypeUrl.listener, name)?.body;
  const { address, additionalAddresses = [] } = Listener.decode(body ?? new Uint8Array());
  return [address, ...additionalAddresses.map(each => each.address)].map(
    each => `${each?.socketAddress?.address}`,
  );
}

function listeners(mesh: TestMesh): Readonly<Record<string, readonly string[]>> {
  const names = mesh.names("default/client", TypeUrl.listener);
  return Object.fromEntries(names.map(name => [name, addressesOf(mesh, name)]));
}

function endpoints(mesh: TestMesh, host: string, port: number): readonly string[] {
  const name = `outbound|${port}||${host}.default.svc.cluster.local`;
  const body = mesh.resource("default/client", TypeUrl.endpoint, name)?.body;
  const { endpoints: groups = [] } = ClusterLoadAssignment.decode(body ?? new Uint8Array());
  return groups.flatMap(({ lbEndpoints = [] }) =>
    lbEndpoints.map(({ endpoint }) =>
      [endpoint, ...(endpoint?.additionalAddresses ?? [])]
        .map(each => each?.address?.socketAddress?.address)
        .join(" "),
    ),
  );
}

function binds(mesh: TestMesh, name: string): readonly (string | undefined)[] {
  const body = mesh.resource("default/client", TypeUrl.cluster, name)?.body;
  const config = Cluster.decode(body ?? new Uint8Array()).upstreamBindConfig;
  const more = config?.extraSourceAddresses ?? [];
  return [config?.sourceAddress, ...more.map(each => each.address)].map(each => each?.address);
}

describe("a dual-stack proxy", () => {
  const mesh = meshFor({ ip: "10.0.0.1", otherIp: "fd00::1", labels: { app: "x" } });
  test("listens in both families, under the names of IPv4", () => {
    assert.deepEqual(listeners(mesh), {
      "0.0.0.0_80": ["0.0.0.0", "::"],
      "10.0.0.9_7": ["10.0.0.9"],
      "10.1.0.1_5432": ["10.1.0.1", "fd00:1::1"],
      "fd00:1::6_6": ["fd00:1::6"],
      "fd00::9_7": ["fd00::9"],
      virtualInbound: ["0.0.0.0", "::"],
      virtualOutbound: ["0.0.0.0", "::"],
    });
  });
  test("knows a pod once, with its addresses in the families of the Service", () => {
    assert.deepEqual(endpoints(mesh, "web", 80), ["10.0.0.9 fd00::9"]);
    assert.deepEqual(endpoints(mesh, "six", 6), ["fd00::9"]);
  });
  test("dials its application from the address of either family", () => {
    for (const name of ["inbound|8080||", "InboundPassthroughCluster"])
      assert.deepEqual(binds(mesh, name), ["127.0.0.6", "::6"]);
  });
});

describe("an IPv6 proxy", () => {
  const mesh = meshFor({ ip: "fd00::1", labels: { app: "x" } });
  test("has IPv6 addresses alone", () => {
    assert.deepEqual(listeners(mesh), {
      "::_80": ["::"],
      "fd00:1::1_5432": ["fd00:1::1"],
      "fd00:1::6_6": ["fd00:1::6"],
      "fd00::9_7": ["fd00::9"],
      virtualInbound: ["::"],
      virtualOutbound: ["::"],
    });
    assert.deepEqual(endpoints(mesh, "web", 80), ["fd00::9"]);
    assert.deepEqual(binds(mesh, "inbound|8080||"), ["::6"]);
  });
  test("names its inbound chains after the IPv6 wildcard", () => {
    const body = mesh.resource("default/client", TypeUrl.listener, "virtualInbound")?.body;
    const { filterChains = [] } = Listener.decode(body ?? new Uint8Array());
    assert.ok(filterChains.some(chain => chain.name === "::_8080"));
    assert.ok(!filterChains.some(chain => chain.name === "0.0.0.0_8080"));
  });
});

describe("an IPv4 proxy", () => {
  const mesh = meshFor({ ip: "10.0.0.1", labels: { app: "x" } });
  test("has IPv4 addresses, and an address of IPv6 where a service has no other", () => {
    assert.deepEqual(listeners(mesh), {
      "0.0.0.0_80": ["0.0.0.0"],
      "10.0.0.9_7": ["10.0.0.9"],
      "10.1.0.1_5432": ["10.1.0.1"],
      "fd00:1::6_6": ["fd00:1::6"],
      virtualInbound: ["0.0.0.0"],
      virtualOutbound: ["0.0.0.0"],
    });
    assert.deepEqual(endpoints(mesh, "web", 80), ["10.0.0.9"]);
    assert.deepEqual(endpoints(mesh, "six", 6), ["fd00::9"]);
    assert.deepEqual(binds(mesh, "InboundPassthroughCluster"), ["127.0.0.6"]);
  });
});

test("both of a pod's own addresses are left to virtualOutbound", () => {
  const mesh = meshFor({ ip: "10.0.0.9", otherIp: "fd00::9" });
  const names = mesh.names("default/client", TypeUrl.listener);
  assert.deepEqual(
    names.filter(name => name.endsWith("_7")),
    [],
  );
});

test("gateways listen in their families", () => {
  const shown = (options: ProxyOptions): unknown => {
    const mesh = new TestMesh();
    const servers = [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }];
    mesh.set(
      mesh.inputs.gateways,
      gateway({ at: "default/g" }, { selector: { istio: "ingressgateway" }, servers }),
    );
    const labels = { istio: "ingressgateway" };
    mesh.connect(proxy("default/client", { type: "router", labels, ...options }));
    return listeners(mesh);
  };
  assert.deepEqual(shown({ ip: "10.0.0.1" }), { "0.0.0.0_80": ["0.0.0.0"] });
  assert.deepEqual(shown({ ip: "fd00::1" }), { "::_80": ["::"] });
  assert.deepEqual(shown({ ip: "10.0.0.1", otherIp: "fd00::1" }), {
    "0.0.0.0_80": ["0.0.0.0", "::"],
  });
});
