/** Certificates from the CA's row over the engine to a stream, and across a restart. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { type Authority, openAuthority } from "../../src/ca/authority.ts";
import { selfSignedRoot } from "../../src/ca/certificate.ts";
import { createWorkloadCertificates } from "../../src/ca/workload-certs.ts";
import { secretType } from "../../src/discovery/type-order.ts";
import type { ConfigSource, Connection, Resource } from "../../src/discovery/types.ts";
import { createGraph } from "../../src/flow/graph.ts";
import { createWatchSets } from "../../src/flow/watch.ts";
import type { WorkloadCertificate } from "../../src/model/types.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { makeResource } from "../support/fake-config-source.ts";
import { ProtocolClient } from "../support/protocol-client.ts";

const hour = 3600 * 1000;
const start = Date.UTC(2026, 5, 1);
const identity = "spiffe://cluster.local/ns/default/sa/sleep";

function newAuthority(): Authority {
  const root = selfSignedRoot("cluster.local", { notBefore: start, notAfter: start + 1e11 });
  const opened = openAuthority(
    {
      "ca-cert.pem": root.certificatePem,
      "ca-key.pem": root.privateKeyPem,
      "root-cert.pem": root.certificatePem,
      "cert-chain.pem": "",
    },
    start,
  );
  assert.ok(opened.ok);
  return opened.value;
}

/** A control plane that serves one Secret, to streams that all are the same workload. */
function controlPlane(authority: Authority, clock: FakeClock): ConfigSource {
  const graph = createGraph();
  const rows = graph.input<WorkloadCertificate>("certificates");
  const cells = graph.cells<Resource | undefined>(
    { name: "secrets", reads: [rows] },
    (key, read) => {
      const row = read.get(rows, key);
      return row && makeResource(secretType, "default", row.version);
    },
  );
  const sets = createWatchSets<Resource | undefined>({ cells, cellKey: view => view });
  const certificates = createWorkloadCertificates({
    graph,
    rows,
    authority,
    clock,
    random: () => 0,
    log: silentLog,
  });
  return {
    ready: true,
    onReady: () => () => {},
    connect(): Connection {
      let release: (() => void) | undefined;
      return {
        id: "sleep",
        wildcard: () => undefined,
        has(_type, versions) {
          const held = versions.get("default") ?? "";
          release = certificates.hold(identity, held);
          return new Map([["default", certificates.versionFor(identity, held) ?? held]]);
        },
        named(_type, names) {
          release ??= certificates.hold(identity);
          return sets.explicit(identity, names);
        },
        onReclassified: () => {},
        report: () => {},
        close: () => release?.(),
      };
    },
  };
}

test("a stream gets its certificate, and a new one at half its life", () => {
  const clock = new FakeClock(start);
  const client = new ProtocolClient("delta", controlPlane(newAuthority(), clock));
  client.subscribe(secretType, "default");
  client.settle();
  const [first] = client.have(secretType);
  clock.advance(12 * hour - 1000);
  assert.deepEqual(client.settle(), []);
  clock.advance(61_000);
  assert.equal(client.settle().length, 1);
  assert.notDeepEqual(client.have(secretType), [first]);
});

test("after a restart a stream that has a valid certificate is sent nothing", () => {
  const clock = new FakeClock(start);
  const authority = newAuthority();
  const before = new ProtocolClient("delta", controlPlane(authority, clock));
  before.subscribe(secretType, "default");
  before.settle();

  clock.advance(5 * hour);
  const restarted = controlPlane(authority, clock);
  const after = new ProtocolClient("delta", restarted, { resume: before });
  assert.deepEqual(after.settle(), []);
  const replica = new ProtocolClient("delta", restarted);
  replica.subscribe(secretType, "default");
  assert.equal(replica.settle().length, 1);
  assert.deepEqual(replica.have(secretType), before.have(secretType));
  assert.deepEqual(after.settle(), []);
  clock.advance(7 * hour + 61_000);
  assert.equal(after.settle().length, 1);
});

test("a stream that comes from another replica keeps that one's certificate until all are replaced", () => {
  const clock = new FakeClock(start);
  const authority = newAuthority();
  const [one, other] = [0, 1].map(() => {
    const client = new ProtocolClient("delta", controlPlane(authority, clock));
    client.subscribe(secretType, "default");
    client.settle();
    clock.advance(5 * hour);
    return client;
  });
  assert.ok(one && other);
  assert.notDeepEqual(one.have(secretType), other.have(secretType));
  const replica = controlPlane(authority, clock);
  const [first, second] = [other, one].map(
    resume => new ProtocolClient("delta", replica, { resume }),
  );
  assert.deepEqual([first?.settle(), second?.settle()], [[], []]);
  clock.advance(7 * hour + 61_000);
  assert.deepEqual([first?.settle().length, second?.settle().length], [1, 1]);
  assert.deepEqual(first?.have(secretType), second?.have(secretType));
});

test("after a restart with another CA it is sent a new one at once", () => {
  const clock = new FakeClock(start);
  const before = new ProtocolClient("delta", controlPlane(newAuthority(), clock));
  before.subscribe(secretType, "default");
  before.settle();
  const restarted = controlPlane(newAuthority(), clock);
  const after = new ProtocolClient("delta", restarted, { resume: before });
  assert.equal(after.settle().length, 1);
  assert.notDeepEqual(after.have(secretType), before.have(secretType));
});
