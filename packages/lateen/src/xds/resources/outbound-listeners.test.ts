/** Which outbound listeners there are, and which chains, where services meet on an address. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Listener } from "@lateen/envoy-api/envoy/config/listener/v3/listener.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  pod,
  proxy,
  service,
  serviceEntry,
  sidecar,
  slice,
} from "../../../test/support/mesh-objects.ts";
import type { JsonObject } from "../../api/kind.ts";
import { TypeUrl } from "../resource.ts";

function meshWith(services: Readonly<Record<string, JsonObject>>): TestMesh {
  const mesh = new TestMesh();
  const objects = Object.entries(services).map(([at, spec], age) => service({ at, age }, spec));
  mesh.set(mesh.inputs.services, ...objects);
  mesh.connect(proxy("default/client"));
  return mesh;
}

function port(name: string, number: number): JsonObject {
  return { ports: [{ name, port: number }] };
}

/** Names of the listeners beside the two virtual ones. */
function listeners(mesh: TestMesh, at = "default/client"): readonly string[] {
  return mesh.names(at, TypeUrl.listener).filter(name => !name.startsWith("virtual"));
}

/** What each chain matches, `else` for the default chain, and the name of its last filter. */
function chains(mesh: TestMesh, name: string): readonly string[] {
  const body = mesh.resource("default/client", TypeUrl.listener, name)?.body;
  if (body === undefined) return [];
  const { filterChains = [], defaultFilterChain } = Listener.decode(body);
  const shown = filterChains.map(({ filterChainMatch: match, filters }) => {
    const names = match?.serverNames ?? [];
    const ranges = (match?.prefixRanges ?? []).map(each => each.addressPrefix ?? "");
    const sniffed = match?.applicationProtocols ?? [];
    return `${[...names, ...ranges, ...sniffed].join(" ")}: ${lastName(filters)}`;
  });
  return defaultFilterChain === undefined
    ? shown
    : [...shown, `else: ${lastName(defaultFilterChain.filters)}`];
}

function lastName(filters: readonly { readonly name?: string | undefined }[] | undefined): string {
  return filters?.at(-1)?.name?.split(".").at(-1) ?? "";
}

const HTTP = "http/1.1 h2c: http_connection_manager";
const REST = "else: tcp_proxy";

test("HTTP services share the wildcard on their port, others have their address", () => {
  const mesh = meshWith({
    "default/a": { clusterIP: "10.1.0.1", ...port("http", 80) },
    "other/b": { clusterIP: "10.1.0.2", ...port("grpc", 80) },
    "other/c": { clusterIP: "10.1.0.3", ...port("tcp", 80) },
    "other/d": { clusterIP: "10.1.0.4", ...port("", 80) },
    "other/e": { clusterIP: "10.1.0.5", ports: [{ name: "dns", port: 53, protocol: "UDP" }] },
  });
  assert.deepEqual(listeners(mesh), ["0.0.0.0_80", "10.1.0.3_80", "10.1.0.4_80"]);
  assert.deepEqual(chains(mesh, "0.0.0.0_80"), [HTTP, REST]);
  assert.deepEqual(chains(mesh, "10.1.0.3_80"), [": tcp_proxy"]);
  assert.deepEqual(chains(mesh, "10.1.0.4_80"), [HTTP, REST]);
});

function entry(at: string, age: number, spec: JsonObject): ReturnType<typeof serviceEntry> {
  return serviceEntry({ at, age }, { resolution: "NONE", ...spec });
}

function entryPort(protocol: string): JsonObject {
  return { ports: [{ number: 80, name: "p", protocol }] };
}

test("HTTP and TCP without addresses meet on the wildcard and are told apart by sniffing", () => {
  const mesh = meshWith({ "default/a": { clusterIP: "10.1.0.1", ...port("http", 80) } });
  mesh.set(
    mesh.inputs.serviceEntries,
    entry("default/tcp", 1, { hosts: ["tcp.example"], ...entryPort("TCP") }),
    entry("default/tcp2", 2, { hosts: ["tcp2.example"], ...entryPort("TCP") }),
    entry("default/tls", 3, { hosts: ["tls.example"], ...entryPort("TLS") }),
    entry("default/cidr", 4, {
      hosts: ["cidr.example"],
      addresses: ["240.0.0.0/24"],
      ...entryPort("TCP"),
    }),
  );
  assert.deepEqual(listeners(mesh), ["0.0.0.0_80"]);
  const want = [HTTP, "tls.example: tcp_proxy", "240.0.0.0: tcp_proxy", REST];
  assert.deepEqual(chains(mesh, "0.0.0.0_80"), want);
});

test("a port whose servers speak first is never sniffed", () => {
  const mesh = meshWith({});
  mesh.set(
    mesh.inputs.serviceEntries,
    entry("default/db", 1, { hosts: ["db.example"], ...entryPort("MYSQL") }),
    entry("default/web", 2, { hosts: ["web.example"], ...entryPort("HTTP") }),
  );
  assert.deepEqual(chains(mesh, "0.0.0.0_80"), [": tcp_proxy"]);
});

function headless(): TestMesh {
  const mesh = meshWith({ "default/h": { clusterIP: "None", ...port("tcp", 9000) } });
  const pods = ["0", "1"].map(name => ({ name, ip: `10.0.5.${name}` }));
  mesh.set(mesh.inputs.pods, ...pods.map(({ name, ip }) => pod({ at: `default/${name}` }, { ip })));
  const ports = { tcp: 9000 };
  mesh.set(mesh.inputs.endpointSlices, slice("default/h", { service: "h", ports, pods }));
  return mesh;
}

test("a headless TCP service has a listener for each of its pods, but not for the proxy's own", () => {
  const mesh = headless();
  assert.deepEqual(listeners(mesh), ["10.0.5.0_9000", "10.0.5.1_9000"]);
  mesh.connect(proxy("default/0", { ip: "10.0.5.0" }));
  assert.deepEqual(listeners(mesh, "default/0"), ["10.0.5.1_9000"]);
  mesh.remove(mesh.inputs.pods, "default/1");
  assert.deepEqual(listeners(mesh), ["10.0.5.0_9000"]);
});

test("a Sidecar's listener for a port keeps all others off it", () => {
  const mesh = meshWith({
    "default/a": { clusterIP: "10.1.0.1", ...port("http", 80) },
    "default/b": { clusterIP: "10.1.0.2", ...port("tcp", 80) },
    "other/c": { clusterIP: "10.1.0.3", ...port("http", 81) },
  });
  const only = { number: 80, protocol: "HTTP", name: "http" };
  mesh.set(
    mesh.inputs.sidecars,
    sidecar(
      { at: "default/s" },
      {
        egress: [{ port: only, hosts: ["./a.default.svc.cluster.local"] }, { hosts: ["other/*"] }],
      },
    ),
  );
  assert.deepEqual(listeners(mesh), ["0.0.0.0_80", "0.0.0.0_81"]);
  const clusters = mesh.names("default/client", TypeUrl.cluster).filter(n => n.startsWith("out"));
  assert.deepEqual(clusters, [
    "outbound|80||a.default.svc.cluster.local",
    "outbound|81||c.other.svc.cluster.local",
  ]);
});

test("a host with a wildcard that is no whole label: TLS has no server name for it", () => {
  const mesh = meshWith({});
  const entry = (at: string, hosts: readonly string[], addresses: readonly string[]) =>
    serviceEntry(
      { at },
      {
        ...{ hosts, addresses, resolution: "NONE" },
        ports: [
          { number: 443, name: "tls", protocol: "TLS" },
          { number: 80, name: "http", protocol: "HTTP" },
        ],
      },
    );
  mesh.set(mesh.inputs.serviceEntries, entry("default/odd", ["*x"], []));
  assert.deepEqual(listeners(mesh), ["0.0.0.0_80"]);
  mesh.set(mesh.inputs.serviceEntries, entry("default/whole", ["*.example"], []));
  assert.deepEqual(chains(mesh, "0.0.0.0_443"), ["*.example: tcp_proxy", REST]);
  mesh.set(mesh.inputs.serviceEntries, entry("default/odd", ["*x"], ["240.0.0.0/24"]));
  assert.deepEqual(chains(mesh, "0.0.0.0_443"), [
    "*.example: tcp_proxy",
    "240.0.0.0: tcp_proxy",
    REST,
  ]);
});
