import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { TestMesh } from "../../test/support/mesh.ts";
import { ingress, service } from "../../test/support/mesh-objects.ts";
import { serviceKind } from "../api/service/kind.ts";
import { silentLog } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { internalError, succeeded } from "../sources/status.ts";
import { IngressStatus } from "./ingress-status.ts";
import { StatusLedger } from "./ledger.ts";
import { mayHaveStatus } from "./status-writer.ts";

const SPEC = { defaultBackend: { service: { name: "web", port: { number: 80 } } } };

function open(fails: { now: boolean }) {
  const mesh = new TestMesh();
  const clock = new FakeClock();
  const written: string[] = [];
  const client: Pick<ApiClient, "patch"> = {
    patch: async (kind, namespace, name, _type, patch) => {
      written.push(`${kind.plural} ${namespace}/${name} ${JSON.stringify(patch)}`);
      if (!fails.now) return succeeded({});
      return internalError("no");
    },
  };
  const { graph, model } = mesh;
  const status = new IngressStatus({ graph, model, client, clock, log: silentLog });
  return { mesh, clock, written, status };
}

function gateway(ip: string): ReturnType<typeof service> {
  const at = "istio-system/istio-ingressgateway";
  const made = service({ at }, { type: "LoadBalancer", ports: [{ port: 80 }] });
  return { ...made, status: { loadBalancer: { ingress: [{ ip }] } } };
}

test("addresses are written by who leads, once, and again when they change", async () => {
  const { mesh, written, status } = open({ now: false });
  mesh.set(mesh.inputs.services, gateway("192.0.2.1"));
  mesh.set(mesh.inputs.ingresses, ingress({ at: "a/i" }, SPEC));
  await turn();
  assert.deepEqual(written, []);
  status.start();
  await turn();
  const first = 'ingresses a/i {"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}';
  assert.deepEqual(written, [first]);
  mesh.set(mesh.inputs.services, gateway("192.0.2.2"));
  await turn();
  assert.deepEqual(written.slice(1), [first.replace("2.1", "2.2")]);
  status.stop();
});

test("what could not be written is tried again later", async () => {
  const fails = { now: true };
  const { mesh, clock, written, status } = open(fails);
  mesh.set(mesh.inputs.services, gateway("192.0.2.1"));
  mesh.set(mesh.inputs.ingresses, ingress({ at: "a/i" }, SPEC));
  status.start();
  await turn();
  assert.equal(written.length, 1);
  fails.now = false;
  clock.advance(5000);
  await turn();
  assert.equal(written.length, 2);
  status.stop();
});

test("of a Service's status the graph sees the addresses, and not what we write", () => {
  const ledger = new StatusLedger({ keeps: mayHaveStatus, hidesStatus: mayHaveStatus });
  const seen: unknown[] = [];
  const loadBalancer = { ingress: [{ ip: "192.0.2.1" }] };
  const object = {
    metadata: { name: "lb", resourceVersion: "7" },
    status: { conditions: [{ type: "Accepted" }], loadBalancer },
  };
  ledger
    .watch({
      name: "test",
      start: sink => sink.onChanges([{ kind: serviceKind, namespace: "a", name: "lb", object }]),
      stop: () => {},
    })
    .start({
      onChanges: changes => seen.push(...changes.map(change => change.object)),
      onProblems: () => {},
      onSynced: () => {},
    });
  assert.deepEqual(seen, [{ metadata: { name: "lb" }, status: { loadBalancer } }]);
});
