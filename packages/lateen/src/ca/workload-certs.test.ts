import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { silentLog } from "../base/log.ts";
import { createGraph } from "../flow/graph.ts";
import type { InputCollection } from "../flow/types.ts";
import type { WorkloadCertificate } from "../model/types.ts";
import { type Authority, openAuthority } from "./authority.ts";
import { selfSignedRoot } from "./certificate.ts";
import { createWorkloadCertificates, type WorkloadCertificates } from "./workload-certs.ts";

const hour = 3600 * 1000;
const start = Date.UTC(2026, 5, 1);
const identity = (name: string): string => `spiffe://cluster.local/ns/default/sa/${name}`;
const sleep = identity("sleep");

const authority = ((): Authority => {
  const root = selfSignedRoot("cluster.local", { notBefore: start, notAfter: start + 1000 * hour });
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
})();

interface Fixture {
  readonly certificates: WorkloadCertificates;
  readonly clock: FakeClock;
  readonly rows: InputCollection<WorkloadCertificate>;
  /** Rows changed by each commit. */
  readonly commits: number[];
}

function fixture(
  options: { lifetimeMs?: number; lingerMs?: number; random?: number } = {},
): Fixture {
  const { random = 0, ...times } = options;
  const clock = new FakeClock(start);
  const graph = createGraph();
  const rows = graph.input<WorkloadCertificate>("certificates");
  const commits: number[] = [];
  graph.onCommit(stats => commits.push(stats.inputRows));
  const log = silentLog;
  const certificates = createWorkloadCertificates({
    ...{ graph, rows, authority, clock, log, random: () => random },
    ...times,
  });
  return { certificates, clock, rows, commits };
}

function row(of: Fixture, key: string = sleep): WorkloadCertificate {
  const found = of.rows.get(key);
  assert.ok(found);
  return found;
}

test("the first holder gets a certificate, the others share it", () => {
  const f = fixture();
  f.certificates.hold(sleep);
  f.certificates.hold(sleep);
  assert.deepEqual(f.commits, [1]);
  const made = row(f);
  const leaf = new X509Certificate(made.certificateChain);
  assert.equal(leaf.subjectAltName, `URI:${sleep}`);
  assert.ok(leaf.checkPrivateKey(createPrivateKey(made.privateKey.reveal())));
  assert.equal(made.notAfter, start + 24 * hour);
  assert.equal(leaf.validToDate.getTime(), made.notAfter);
});

test("a row does not print its key", () => {
  const f = fixture();
  f.certificates.hold(sleep);
  const line = row(f).privateKey.reveal().split("\n")[1] ?? "";
  for (const text of [
    JSON.stringify(row(f)),
    inspect(row(f), { depth: 9 }),
    `${row(f).privateKey}`,
  ])
    assert.ok(!text.includes(line) && !text.includes("PRIVATE KEY"));
});

test("it is replaced at half its life, or a little sooner, for as long as it is held", () => {
  for (const random of [0, 1]) {
    const f = fixture({ random });
    const release = f.certificates.hold(sleep);
    const first = row(f).version;
    const due = random === 0 ? 12 * hour : 9.6 * hour;
    f.clock.advance(due - 1000);
    assert.equal(row(f).version, first);
    f.clock.advance(60_000);
    assert.notEqual(row(f).version, first);
    f.clock.advance(100 * hour);
    assert.ok(row(f).notAfter - f.clock.now() >= 12 * hour - 60_000);
    release();
    f.clock.advance(hour);
    assert.equal(f.rows.size, 0);
    assert.equal(f.clock.waiting, 0);
  }
});

test("a short lifetime rotates at its own pace", () => {
  const f = fixture({ lifetimeMs: 4000 });
  f.certificates.hold(sleep);
  f.clock.advance(20_000);
  assert.ok(f.commits.length >= 9 && f.commits.length <= 12, String(f.commits.length));
  assert.ok(row(f).notAfter > f.clock.now());
});

test("one that reconnects soon gets the same; later there is none in memory", () => {
  const f = fixture({ lingerMs: 60_000 });
  const release = f.certificates.hold(sleep);
  const { version } = row(f);
  release();
  f.clock.advance(30_000);
  f.certificates.hold(sleep)();
  assert.equal(row(f).version, version);
  f.clock.advance(59_000);
  assert.equal(f.certificates.size, 1);
  f.clock.advance(2_000);
  assert.equal(f.certificates.size, 0);
  assert.deepEqual([f.commits, f.rows.size], [[1, 1], 0]);
});

test("after a restart a proxy's own version is kept, until that certificate's half life", () => {
  const before = fixture();
  before.certificates.hold(sleep);
  const { version, notAfter } = row(before);

  const after = fixture();
  after.clock.set(5 * hour);
  after.certificates.hold(sleep, version);
  after.certificates.hold(sleep);
  assert.equal(row(after).version, version);
  assert.equal(row(after).notAfter, notAfter);
  assert.notEqual(row(after).certificateChain, row(before).certificateChain);
  after.clock.advance(7 * hour + 60_000);
  assert.notEqual(row(after).version, version);
});

test("a version of another identity, or one past its half life, is not kept", () => {
  const before = fixture();
  before.certificates.hold(sleep);
  const { version } = row(before);
  const other = fixture();
  other.certificates.hold(identity("other"), version);
  assert.equal(row(other, identity("other")).notAfter, start + 24 * hour);
  const late = fixture();
  late.clock.set(13 * hour);
  late.certificates.hold(sleep, version);
  assert.equal(row(late).notAfter, start + 37 * hour);
});

test("a machine that slept past the end renews at the next sign of life", () => {
  const f = fixture();
  f.certificates.hold(sleep);
  f.clock.set(30 * hour);
  f.certificates.hold(sleep);
  assert.ok(row(f).notAfter > f.clock.now() + 23 * hour);
  f.clock.set(30 * hour);
  f.clock.advance(60_000);
  assert.ok(row(f).notAfter > f.clock.now());
});

test("many at once are renewed in small batches, none too late", () => {
  const f = fixture();
  for (let i = 0; i < 500; i++) f.certificates.hold(identity(`a${i}`));
  const before = f.commits.length;
  f.clock.advance(12 * hour + 61_000);
  const rotations = f.commits.slice(before);
  assert.ok(rotations.every(rows => rows <= 20));
  assert.equal(
    rotations.reduce((sum, rows) => sum + rows),
    500,
  );
  for (const [, one] of f.rows.entries()) assert.ok(one.notAfter > start + 30 * hour);
});

test("near the CA's own end it neither outlives it nor spins", () => {
  const f = fixture();
  f.clock.set(990 * hour);
  f.certificates.hold(sleep);
  f.clock.advance(12 * hour);
  assert.equal(row(f).notAfter, authority.notAfter);
  assert.ok(f.commits.length < 200);
});

test("giving back twice is a bug", () => {
  const release = fixture().certificates.hold(sleep);
  release();
  assert.throws(release, /given back twice/);
});

test("another replica's certificate does for ours only while it outlives ours by a quarter of a life", () => {
  const f = fixture();
  const other = fixture();
  other.certificates.hold(sleep);
  f.clock.advance(8 * hour);
  f.certificates.hold(sleep);
  const held = row(other).version;
  assert.equal(f.certificates.versionFor(sleep, held), undefined);
  assert.equal(f.certificates.versionFor(sleep, row(f).version), row(f).version);
  const close = fixture();
  close.clock.advance(3 * hour);
  close.certificates.hold(sleep);
  assert.equal(close.certificates.versionFor(sleep, held), row(close).version);
  assert.equal(close.certificates.versionFor(identity("else"), held), undefined);
  assert.equal(close.certificates.versionFor(sleep, "1.0.x"), undefined);
  close.certificates.replaceWithin(0);
  assert.equal(close.certificates.versionFor(sleep, held), undefined);
});
