/** A number that a service has for several transport protocols means the port that proxies carry. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Cluster } from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import { ClusterLoadAssignment } from "@lateen/envoy-api/envoy/config/endpoint/v3/endpoint.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  destinationRule,
  gateway,
  ingress,
  pod,
  proxy,
  service,
  serviceEntry,
  sidecar,
  slice,
  virtualService,
} from "../../../test/support/mesh-objects.ts";
import type { JsonObject } from "../../api/kind.ts";
import { TypeUrl } from "../resource.ts";

const TCP: JsonObject = { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 5353 };
const UDP: JsonObject = { name: "dns", port: 53, protocol: "UDP", targetPort: 5454 };
const SCTP: JsonObject = { name: "s", port: 53, protocol: "SCTP", targetPort: 5555 };
const HOST = "dns.default.svc.cluster.local";
const CLUSTER = `outbound|53||${HOST}`;

function meshOf(ports: readonly JsonObject[], spec: JsonObject = { clusterIP: "10.1.0.1" }) {
  const mesh = new TestMesh();
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/dns" }, { selector: { app: "dns" }, ports: [...ports], ...spec }),
  );
  mesh.set(mesh.inputs.pods, pod({ at: "default/p", labels: { app: "dns" } }, { ip: "10.0.0.9" }));
  mesh.set(
    mesh.inputs.endpointSlices,
    slice("default/dns-a", {
      service: "dns",
      ports: { dns: 5454, "dns-tcp": 5353, s: 5555 },
      pods: [{ name: "p", ip: "10.0.0.9" }],
    }),
  );
  mesh.connect(
    proxy("default/client"),
    proxy("default/p", { labels: { app: "dns" }, ip: "10.0.0.9" }),
    proxy("default/edge", { type: "router", labels: { app: "dns" } }),
  );
  return mesh;
}

function clusterOf(mesh: TestMesh, at: string, name: string): Cluster | undefined {
  const body = mesh.resource(at, TypeUrl.cluster, name)?.body;
  return body && Cluster.decode(body);
}

function portsOf(mesh: TestMesh, at: string, name: string): readonly (number | undefined)[] {
  const body = mesh.resource(at, TypeUrl.endpoint, name)?.body;
  if (body === undefined) return [];
  return (ClusterLoadAssignment.decode(body).endpoints ?? []).flatMap(({ lbEndpoints = [] }) =>
    lbEndpoints.map(each => each.endpoint?.address?.socketAddress?.portValue),
  );
}

const ORDERS: Readonly<Record<string, readonly JsonObject[]>> = {
  "UDP, TCP": [UDP, TCP],
  "TCP, UDP": [TCP, UDP],
  "SCTP, UDP, TCP": [SCTP, UDP, TCP],
  "TCP, SCTP": [TCP, SCTP],
};

for (const [order, ports] of Object.entries(ORDERS))
  describe(`${order} of one number`, () => {
    test("a listener, a cluster and its endpoints", () => {
      const mesh = meshOf(ports);
      assert.ok(mesh.names("default/client", TypeUrl.listener).includes("10.1.0.1_53"));
      const names = mesh.names("default/client", TypeUrl.cluster);
      assert.deepEqual(
        names.filter(name => name.includes(HOST)),
        [CLUSTER],
      );
      assert.ok(clusterOf(mesh, "default/client", CLUSTER));
      assert.deepEqual(portsOf(mesh, "default/client", CLUSTER), [5353]);
    });

    test("the workload's own port", () => {
      const mesh = meshOf(ports);
      const names = mesh.names("default/p", TypeUrl.cluster);
      assert.deepEqual(
        names.filter(name => name.startsWith("inbound|")),
        ["inbound|5353||"],
      );
    });

    test("a gateway's own target port", () => {
      const mesh = meshOf(ports);
      mesh.set(
        mesh.inputs.gateways,
        gateway(
          { at: "default/g" },
          {
            selector: { app: "dns" },
            servers: [{ port: { number: 53, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
          },
        ),
      );
      assert.deepEqual(mesh.names("default/edge", TypeUrl.listener), ["0.0.0.0_5353"]);
    });

    test("settings of a DestinationRule for the port, and its subsets", () => {
      const mesh = meshOf(ports);
      mesh.set(
        mesh.inputs.destinationRules,
        destinationRule(
          { at: "default/dns" },
          {
            host: "dns",
            trafficPolicy: {
              portLevelSettings: [{ port: { number: 53 }, tls: { mode: "SIMPLE", sni: "x" } }],
            },
            subsets: [{ name: "v1", labels: { app: "dns" } }],
          },
        ),
      );
      const found = clusterOf(mesh, "default/client", CLUSTER);
      assert.ok(found?.transportSocket);
      assert.deepEqual(portsOf(mesh, "default/client", `outbound|53|v1|${HOST}`), [5353]);
    });

    test("a headless service", () => {
      const mesh = meshOf(ports, { clusterIP: "None" });
      assert.ok(mesh.names("default/client", TypeUrl.listener).includes("10.0.0.9_53"));
      assert.deepEqual(portsOf(mesh, "default/edge", CLUSTER), [5353]);
    });

    test("a Sidecar's listener for the port", () => {
      const mesh = meshOf(ports);
      mesh.set(
        mesh.inputs.sidecars,
        sidecar(
          { at: "default/only" },
          { egress: [{ port: { number: 53, name: "tcp", protocol: "TCP" }, hosts: ["./*"] }] },
        ),
      );
      assert.ok(mesh.names("default/client", TypeUrl.listener).includes("10.1.0.1_53"));
      assert.ok(mesh.names("default/client", TypeUrl.cluster).includes(CLUSTER));
    });

    test("destinations of routes find it", () => {
      const mesh = meshOf(ports);
      const to = { destination: { host: "dns", port: { number: 53 } } };
      mesh.set(
        mesh.inputs.virtualServices,
        virtualService({ at: "default/v" }, { hosts: ["dns"], http: [{ route: [to] }] }),
      );
      assert.deepEqual([...mesh.model.findings.keys()], []);
    });
  });

test("a port that is UDP alone has no listener, no cluster, and routes to it are told so", () => {
  const mesh = meshOf([UDP]);
  mesh.set(
    mesh.inputs.virtualServices,
    virtualService(
      { at: "default/v" },
      {
        hosts: ["dns"],
        http: [{ route: [{ destination: { host: "dns", port: { number: 53 } } }] }],
      },
    ),
  );
  mesh.set(
    mesh.inputs.ingresses,
    ingress(
      { at: "default/i" },
      { defaultBackend: { service: { name: "dns", port: { name: "dns" } } } },
    ),
  );
  assert.ok(!mesh.names("default/client", TypeUrl.listener).some(name => name.endsWith("_53")));
  assert.ok(!mesh.names("default/client", TypeUrl.cluster).some(name => name.includes(HOST)));
  assert.equal(portsOf(mesh, "default/client", CLUSTER).length, 0);
  const said = [...mesh.model.findings.entries()].flatMap(([, found]) =>
    found.map(each => each.message),
  );
  assert.ok(
    said.some(message => message.includes("has port 53 for UDP only")),
    said.join("\n"),
  );
  assert.ok(
    said.some(message => message.includes("has no port dns")),
    said.join("\n"),
  );
});

test("a Sidecar's listener makes no TCP of a port that is UDP alone", () => {
  const mesh = meshOf([UDP, { name: "http", port: 80 }]);
  mesh.set(
    mesh.inputs.sidecars,
    sidecar(
      { at: "default/only" },
      { egress: [{ port: { number: 53, name: "tcp", protocol: "TCP" }, hosts: ["./*"] }] },
    ),
  );
  assert.ok(!mesh.names("default/client", TypeUrl.listener).some(name => name.endsWith("_53")));
});

test("a Sidecar's UDP listeners take nothing from TCP on their number", () => {
  const mesh = meshOf([TCP, { name: "http", port: 80 }]);
  const udp = (number: number): JsonObject => ({ number, name: "udp", protocol: "UDP" });
  mesh.set(
    mesh.inputs.sidecars,
    sidecar(
      { at: "default/only" },
      {
        egress: [
          { port: udp(53), hosts: ["./*"] },
          { port: udp(80), hosts: ["./*"] },
          { hosts: ["./*"] },
        ],
        ingress: [
          { port: udp(5353), defaultEndpoint: "127.0.0.1:5353" },
          { port: { number: 8080, name: "http", protocol: "HTTP" } },
        ],
      },
    ),
  );
  const names = mesh.names("default/p", TypeUrl.listener);
  assert.ok(names.includes("10.1.0.1_53") && names.includes("0.0.0.0_80"), names.join());
  assert.ok(mesh.resource("default/p", TypeUrl.route, "80"));
  const inbound = mesh.names("default/p", TypeUrl.cluster).filter(name => /^inbound/.test(name));
  assert.deepEqual(inbound, ["inbound|8080||"]);
});

test("a Gateway's UDP server takes no port", () => {
  const mesh = meshOf([TCP]);
  const server = (protocol: string): JsonObject => ({
    port: { number: 8080, name: protocol.toLowerCase(), protocol },
    hosts: ["*"],
  });
  mesh.set(
    mesh.inputs.gateways,
    gateway(
      { at: "default/g" },
      { selector: { app: "dns" }, servers: [server("UDP"), server("HTTP")] },
    ),
  );
  assert.deepEqual(mesh.names("default/edge", TypeUrl.listener), ["0.0.0.0_8080"]);
  const said = [...mesh.model.findings.entries()].flatMap(([, found]) => found);
  assert.deepEqual(
    said.filter(({ reason }) => reason === "ConflictingGateways").map(each => each.message),
    ["has no effect: no proxy carries UDP"],
  );
});

test("a named target port is a container's of the same transport protocol", () => {
  const mesh = meshOf([{ ...TCP, targetPort: "dns" }]);
  const ports = [
    { name: "dns", containerPort: 5454, protocol: "UDP" },
    { name: "dns", containerPort: 5353, protocol: "TCP" },
  ];
  const given = pod({ at: "default/p", labels: { app: "dns" } }, { ip: "10.0.0.9" });
  const containers = [{ ...given.spec.containers[0], ports }] as typeof given.spec.containers;
  mesh.set(mesh.inputs.pods, { ...given, spec: { ...given.spec, containers } });
  assert.ok(mesh.names("default/p", TypeUrl.cluster).includes("inbound|5353||"));
});

test("a ServiceEntry's UDP port is no cluster", () => {
  const mesh = meshOf([TCP]);
  mesh.set(
    mesh.inputs.serviceEntries,
    serviceEntry(
      { at: "default/e" },
      {
        hosts: ["time.example"],
        resolution: "DNS",
        ports: [
          { number: 123, name: "udp", protocol: "UDP" },
          { number: 80, name: "http", protocol: "HTTP" },
        ],
      },
    ),
  );
  const names = mesh.names("default/client", TypeUrl.cluster);
  assert.deepEqual(
    names.filter(name => name.endsWith("time.example")),
    ["outbound|80||time.example"],
  );
});

test("entries that are added together: neither one's UDP port hides the other's TCP port", () => {
  for (const protocols of [
    ["UDP", "TCP"],
    ["TCP", "UDP"],
  ]) {
    const mesh = meshOf([TCP]);
    const entries = protocols.map((protocol, age) =>
      serviceEntry(
        { at: `default/e${age}`, age },
        {
          hosts: ["both.example"],
          addresses: [`240.0.0.${age + 1}`],
          resolution: "STATIC",
          ports: [{ number: 53, name: protocol.toLowerCase(), protocol }],
          endpoints: [{ address: "10.9.0.1" }],
        },
      ),
    );
    mesh.set(mesh.inputs.serviceEntries, ...entries);
    assert.deepEqual([...mesh.model.findings.keys()], []);
    assert.deepEqual(portsOf(mesh, "default/client", "outbound|53||both.example"), [53]);
    const own = `240.0.0.${protocols.indexOf("TCP") + 1}_53`;
    assert.deepEqual(
      mesh.names("default/client", TypeUrl.listener).filter(name => name.startsWith("240.")),
      [own],
    );
  }
});

test("several UDP and TCP services of one number keep to their own listeners", () => {
  const mesh = meshOf([UDP, TCP]);
  const objects = Array.from({ length: 20 }, (_, i) =>
    service(
      { at: `default/s${i}` },
      { clusterIP: `10.1.1.${i}`, ports: i % 2 === 0 ? [UDP] : [UDP, TCP] },
    ),
  );
  mesh.set(mesh.inputs.services, ...objects);
  const found = mesh.names("default/client", TypeUrl.listener).filter(name => name.endsWith("_53"));
  const odd = objects.flatMap((_, i) => (i % 2 === 0 ? [] : [`10.1.1.${i}_53`]));
  assert.deepEqual(found, ["10.1.0.1_53", ...odd].sort());
});
