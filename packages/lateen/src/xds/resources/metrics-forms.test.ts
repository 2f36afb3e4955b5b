/** A proxy gets what its bootstrap can read: proxies of several ages in one mesh. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toCanonicalJson } from "@lateen/envoy-api/registry.js";
import { TestMesh } from "../../../test/support/mesh.ts";
import { pod, proxy, service, slice } from "../../../test/support/mesh-objects.ts";
import type { MetricsForm } from "../../model/types.ts";
import type { EncodedResource } from "../resource.ts";

const FORMS: readonly MetricsForm[] = ["full", "compact", "live"];

function meshOf(): TestMesh {
  const mesh = new TestMesh();
  const ports = [
    { name: "http", port: 80, targetPort: 8080 },
    { name: "tcp", port: 9000, targetPort: 9000 },
  ];
  mesh.set(
    mesh.inputs.services,
    service({ at: "default/web" }, { clusterIP: "10.9.0.1", ports, selector: { app: "web" } }),
  );
  mesh.set(mesh.inputs.pods, pod({ at: "default/p", labels: { app: "web" } }, { ip: "10.0.0.9" }));
  mesh.set(
    mesh.inputs.endpointSlices,
    slice("default/web-a", {
      service: "web",
      ports: { http: 8080, tcp: 9000 },
      pods: [{ name: "p", ip: "10.0.0.9" }],
    }),
  );
  for (const metrics of FORMS) {
    mesh.connect(proxy(`default/${metrics}`, { metrics, labels: { app: "web" } }));
    mesh.connect(proxy(`default/${metrics}-2`, { metrics, labels: { app: "web" } }));
    mesh.connect(proxy(`default/${metrics}-gw`, { metrics, type: "router" }));
  }
  return mesh;
}

const ROUTES = ["80"];

function textOf(resources: ReadonlyMap<string, EncodedResource>): string {
  return [...resources.values()]
    .map(each => JSON.stringify(toCanonicalJson(each.type, each.body)))
    .join("\n");
}

const LABELS_OF_OURS = /"lateen":\{"c":|"lateen":\{"host":/;
const FULL_TAG = /"name":"destination_canonical_revision"/;
const COMPACT_TAG = /"name":"(tcp|http)_(source|mtls|plain)"/;
const LIVE = /istio_tcp_live_sent/;

test("nothing of one form is in what proxies of another get", () => {
  const mesh = meshOf();
  for (const kind of ["", "-gw"]) {
    const of = (form: MetricsForm) => textOf(mesh.everything(`default/${form}${kind}`, ROUTES));
    const full = of("full");
    assert.match(full, LABELS_OF_OURS);
    assert.match(full, /"name":"tlsMode-disabled"/);
    assert.match(full, /"serviceName":"outbound\|80\|\|/);
    assert.doesNotMatch(full, COMPACT_TAG);
    for (const form of ["compact", "live"] as const) {
      const terse = of(form);
      assert.doesNotMatch(terse, LABELS_OF_OURS);
      assert.doesNotMatch(terse, FULL_TAG);
      assert.equal(LIVE.test(terse), form === "live" && kind === "");
      assert.ok(terse.length < full.length);
    }
  }
  assert.match(textOf(mesh.everything("default/compact", ROUTES)), COMPACT_TAG);
});

test("names are the same in all forms, and proxies of one form share all bytes", () => {
  const mesh = meshOf();
  const of = (at: string) => mesh.everything(`default/${at}`, ROUTES);
  const names = (at: string) => [...of(at).keys()];
  for (const form of FORMS) {
    assert.deepEqual(names(form), names("full"));
    const second = of(`${form}-2`);
    for (const [name, resource] of of(form)) assert.equal(second.get(name), resource, name);
  }
});

test("what does not depend on the form is the same resource: routes, clusters and endpoints", () => {
  const mesh = meshOf();
  const live = mesh.everything("default/live", ROUTES);
  for (const [name, resource] of mesh.everything("default/compact", ROUTES))
    if (!name.includes("Listener")) assert.equal(live.get(name), resource, name);
});
