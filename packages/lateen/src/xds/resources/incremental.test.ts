/** Whatever happened before, the bytes are those of a build from scratch. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { budget } from "../../../test/support/budget.ts";
import { TestMesh } from "../../../test/support/mesh.ts";
import {
  destinationRule,
  gateway,
  ingress,
  node,
  pod,
  proxy,
  service,
  serviceEntry,
  sidecar,
  slice,
  virtualService,
  weightedRoute,
  workloadEntry,
} from "../../../test/support/mesh-objects.ts";
import type { JsonObject } from "../../api/kind.ts";
import type { InputCollection } from "../../flow/types.ts";
import type { ModelInputs } from "../../model/inputs.ts";

/** One object (or its absence): every edit replaces what is in its slot. */
interface Edit {
  readonly collection: keyof ModelInputs;
  readonly key: string;
  /** undefined: removed. */
  readonly value: unknown;
}

const NAMESPACES = ["a", "b", "istio-system"] as const;
const PROXIES = ["a/one", "b/two", "istio-system/gateway"] as const;
const HOSTS = [
  "s0",
  "s1.a.svc.cluster.local",
  "s1.b.svc.cluster.local",
  "shop.example",
  "*.example",
  "*.a.svc.cluster.local",
];

const namespace = fc.constantFrom(...NAMESPACES);
const index = fc.nat({ max: 2 });
const host = fc.constantFrom(...HOSTS);
const version = fc.constantFrom("v1", "v2");
const exportTo = fc.constantFrom<string[]>([], ["*"], ["."], ["a"], ["c", "."]);
const age = fc.nat({ max: 3 });

function edit<T>(
  collection: keyof ModelInputs,
  key: fc.Arbitrary<string>,
  value: (at: string) => fc.Arbitrary<T>,
): fc.Arbitrary<Edit> {
  return key.chain(at =>
    fc.option(value(at), { nil: undefined, freq: 4 }).map(made => ({
      collection,
      key: at,
      value: made,
    })),
  );
}

function at(prefix: string): fc.Arbitrary<string> {
  return fc.tuple(namespace, index).map(([ns, i]) => `${ns}/${prefix}${i}`);
}

const PORTS: readonly JsonObject[][] = [
  [{ name: "http", port: 80, targetPort: 8080 }],
  [{ name: "tcp-db", port: 80 }],
  [
    { name: "http-web", port: 8080, targetPort: "web" },
    { name: "grpc", port: 80 },
  ],
  [{ name: "", port: 5000, targetPort: 8080 }],
  [
    { name: "https", port: 443 },
    { name: "tcp", port: 9000 },
  ],
  [
    { name: "dns", port: 80, protocol: "UDP", targetPort: 5454 },
    { name: "http", port: 80, targetPort: 8080 },
    { name: "s", port: 80, protocol: "SCTP" },
  ],
  [
    { name: "grpc-web", port: 80 },
    { name: "dns", port: 80, protocol: "UDP" },
  ],
];

/** A label that the control plane adds. */
const ZONE = { "topology.kubernetes.io/zone": "z1" };

const edits: fc.Arbitrary<Edit> = fc.oneof(
  edit("services", at("s"), name =>
    fc
      .record({
        ports: fc.constantFrom(...PORTS),
        clusterIP: fc.constantFrom("10.1.0.1", "10.1.0.2", "10.1.0.3", "None"),
        app: version,
        annotation: exportTo,
        age,
      })
      .map(({ ports, clusterIP, app, annotation, age: seconds }) =>
        service(
          {
            at: name,
            age: seconds,
            annotations: { "networking.istio.io/exportTo": annotation.join(",") },
          },
          { ports, clusterIP, selector: { app } },
        ),
      ),
  ),
  edit("nodes", fc.constant("n0"), name =>
    fc.constantFrom("z1", "z2").map(zone => node(name, "r1", zone)),
  ),
  edit("pods", at("p"), name =>
    fc
      .record({ app: version, version, account: fc.constantFrom("x", "y"), ip: fc.nat({ max: 9 }) })
      .map(({ ip, account, ...labels }) =>
        pod(
          { at: name, labels },
          { ip: `10.0.0.${ip}`, account, node: "n0", ports: { web: 8081 } },
        ),
      ),
  ),
  edit("endpointSlices", at("s"), name =>
    fc
      .record({
        service: index.map(i => `s${i}`),
        pods: fc.uniqueArray(index, { maxLength: 3 }),
        ready: fc.boolean(),
        names: fc.constantFrom(
          { http: 8080 },
          { "http-web": 8081, grpc: 9090 },
          { "": 8080 },
          { tcp: 9000, https: 8443 },
          { dns: 5454, http: 8080 },
          { "grpc-web": 8080, dns: 5454 },
        ),
      })
      .map(({ service: of, pods, ready, names }) =>
        slice(name, {
          service: of,
          ports: names as Readonly<Record<string, number>>,
          pods: pods.map(i => ({ name: `p${i}`, ip: `10.0.0.${i}`, conditions: { ready } })),
        }),
      ),
  ),
  edit("heldPortNames", at("s"), () =>
    fc
      .record({
        port: fc.constantFrom("http", "tcp-db", "grpc", ""),
        name: fc.constantFrom("http", "http-web", "", "tcp"),
        at: fc.option(
          fc.record({ slice: index.map(i => `s${i}`), port: fc.constantFrom(7070, 7171) }),
          { nil: undefined },
        ),
      })
      .map(({ port, name, at: only }) => ({
        names: { [port]: [only === undefined ? { name } : { name, at: only }] },
        until: 0,
      })),
  ),
  edit("destinationRules", at("r"), name =>
    fc
      .record({
        host,
        exportTo,
        age,
        simple: fc.constantFrom("RANDOM", "LEAST_CONN", "PASSTHROUGH"),
        subset: version,
        zone: fc.constantFrom<Record<string, string>>({}, ZONE),
      })
      .map(({ simple, subset, zone, age: seconds, ...spec }) =>
        destinationRule(
          { at: name, age: seconds },
          {
            ...spec,
            trafficPolicy: { loadBalancer: { simple } },
            subsets: [{ name: subset, labels: { version: subset, ...zone } }],
          },
        ),
      ),
  ),
  edit("virtualServices", at("v"), name =>
    fc
      .record({
        hosts: fc.constantFrom(
          ...HOSTS.map(each => [each]),
          ["s0", "shop.example"],
          ["s1", "*.example"],
        ),
        gateways: fc.constantFrom<string[]>([], ["mesh"], ["istio-system/g0"], ["mesh", "g0"]),
        exportTo,
        age,
        weight: fc.nat({ max: 100 }),
        sourceLabels: fc.constantFrom<Record<string, string>>({}, { app: "v1" }),
        target: host.filter(each => !each.startsWith("*")),
      })
      .map(({ weight, target, sourceLabels, age: seconds, ...spec }) =>
        virtualService(
          { at: name, age: seconds },
          {
            ...spec,
            http: [
              {
                match: [{ uri: { prefix: "/v" }, sourceLabels }],
                ...weightedRoute(target, { v1: weight, "": 100 - weight }),
              },
            ],
          },
        ),
      ),
  ),
  edit("serviceEntries", at("e"), name =>
    fc
      .record({
        // Mostly one host, so that several entries in and across namespaces have it.
        hosts: fc.oneof(
          { weight: 2, arbitrary: fc.constant(["shop.example"]) },
          { weight: 1, arbitrary: host.map(each => [each]) },
        ),
        labels: fc.constantFrom<Record<string, string>>({}, {}, { team: "x" }),
        resolution: fc.constantFrom("STATIC", "DNS", "NONE"),
        location: fc.constantFrom("MESH_EXTERNAL", "MESH_INTERNAL"),
        addresses: fc.constantFrom<string[]>([], ["240.0.0.1"], ["240.0.0.0/24"]),
        exportTo,
        protocol: fc.constantFrom("HTTP", "TLS", "TCP"),
        numbers: fc.constantFrom([80], [80, 9080], [9080], [9000]),
        age,
      })
      .map(({ protocol, numbers, labels, age: seconds, ...spec }) =>
        serviceEntry(
          { at: name, age: seconds, labels },
          {
            ...spec,
            ...(spec.resolution === "DNS" ? { hosts: ["shop.example"], addresses: [] } : {}),
            ports: numbers.map(number => ({ number, name: `p-${number}`, protocol })),
            ...(spec.resolution === "STATIC"
              ? { workloadSelector: { labels: { app: "v1" } } }
              : {}),
          },
        ),
      ),
  ),
  edit("workloadEntries", at("w"), name =>
    index.map(i =>
      workloadEntry(
        { at: name },
        { address: `10.9.0.${i}`, labels: { app: "v1" }, serviceAccount: `sa${i}` },
      ),
    ),
  ),
  edit("gateways", at("g"), name =>
    fc
      .record({
        number: fc.constantFrom(80, 8080),
        host,
        age,
        protocol: fc.constantFrom("HTTP", "HTTP2", "GRPC", "TCP"),
      })
      .map(({ number, host: served, age: seconds, protocol }) =>
        gateway(
          { at: name, age: seconds },
          {
            selector: { app: "v2" },
            servers: [{ port: { number, name: "http", protocol }, hosts: [served] }],
          },
        ),
      ),
  ),
  edit("ingresses", at("i"), name =>
    fc
      .record({
        host: fc.constantFrom("", "shop.example", "*.example"),
        pathType: fc.constantFrom("Exact", "Prefix", "ImplementationSpecific"),
        path: fc.constantFrom("/", "/a", "/a/b", "/a/*"),
        service: index.map(i => `s${i}`),
        port: fc.constantFrom<JsonObject[]>({ number: 80 }, { name: "http" }, { name: "grpc" }),
        hasTls: fc.boolean(),
        hasDefault: fc.boolean(),
        isOurs: fc.boolean(),
        age,
      })
      .map(
        ({ host: own, path, pathType, service: to, port, hasTls, hasDefault, isOurs, ...rest }) => {
          const backend = { service: { name: to, port } };
          const hosts = own === "" ? {} : { host: own };
          return ingress(
            { at: name, age: rest.age, ...(isOurs ? {} : { annotations: {} }) },
            {
              rules: [{ ...hosts, http: { paths: [{ path, pathType, backend }] } }],
              ...(hasDefault ? { defaultBackend: backend } : {}),
              ...(hasTls ? { tls: [{ hosts: ["shop.example"], secretName: "cert" }] } : {}),
            },
          );
        },
      ),
  ),
  edit("sidecars", at("c"), name =>
    fc
      .record({
        hosts: fc.uniqueArray(fc.constantFrom("./*", "b/*", "*/s1.a.svc.cluster.local", "~/*"), {
          minLength: 1,
          maxLength: 2,
        }),
        selects: fc.boolean(),
        age,
      })
      .map(({ hosts, selects, age: seconds }) =>
        sidecar(
          { at: name, age: seconds },
          {
            egress: [{ hosts }],
            ...(selects ? { workloadSelector: { labels: { app: "v1" } } } : {}),
          },
        ),
      ),
  ),
  edit("proxies", fc.constantFrom(...PROXIES), name =>
    version.map(app => {
      const isGateway = name.endsWith("gateway");
      return proxy(name, {
        type: isGateway ? "router" : "sidecar",
        labels: isGateway ? { app: "v2", istio: "ingressgateway" } : { app },
      });
    }),
  ),
);

const ROUTES = [
  "80",
  "8080",
  "9000",
  "9080",
  "http.80",
  "http.8080",
  ...NAMESPACES.flatMap(ns =>
    [0, 1, 2].map(i => {
      const own = `i${i}-istio-autogenerated-k8s-ingress-${ns}.istio-system`;
      return `https.443.https-443-ingress-i${i}-${ns}-0.${own}`;
    }),
  ),
  ...NAMESPACES.flatMap(ns => [0, 1, 2].map(i => `s${i}.${ns}.svc.cluster.local:5000`)),
];

function apply(mesh: TestMesh, batch: readonly Edit[]): void {
  mesh.graph.commit({ source: "test" }, w => {
    for (const { collection, key, value } of batch) {
      const input = mesh.inputs[collection] as InputCollection<unknown>;
      if (value === undefined) w.delete(input, key);
      else w.set(input, key, value);
    }
  });
}

function fromScratch(batches: readonly (readonly Edit[])[]): TestMesh {
  const last = new Map(batches.flat().map(each => [`${each.collection} ${each.key}`, each]));
  const mesh = new TestMesh();
  apply(mesh, [...last.values()].reverse());
  return mesh;
}

function bytesOf(mesh: TestMesh): Readonly<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of mesh.inputs.proxies.keys())
    for (const [id, resource] of mesh.everything(name, ROUTES))
      all[`${name} ${id}`] = Buffer.from(resource.deltaField).toString("base64");
  return all;
}

test("after any edits, in any batches, bytes are those of a build from scratch", () => {
  const batches = fc.array(fc.array(edits, { minLength: 1, maxLength: 8 }), { maxLength: 12 });
  const connected: readonly Edit[] = PROXIES.map(key => ({
    collection: "proxies",
    key,
    value: proxy(key, {
      type: key.endsWith("gateway") ? "router" : "sidecar",
      labels: key.endsWith("gateway") ? { app: "v2", istio: "ingressgateway" } : { app: "v1" },
    }),
  }));
  fc.assert(
    fc.property(batches, random => {
      const all = [connected, ...random];
      const mesh = new TestMesh();
      for (const batch of all) {
        apply(mesh, batch);
        bytesOf(mesh);
        assert.deepEqual(mesh.graph.failures(), []);
      }
      assert.deepEqual(bytesOf(mesh), bytesOf(fromScratch(all)));
    }),
    budget(60),
  );
});
