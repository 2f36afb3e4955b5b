/** A control plane that comes back with the configuration it had before: nobody is told anything. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { type LoadSize, serviceObjects, sidecarNodes, sidecarsOf } from "../../bench/load.ts";
import { SimFleet, type SimProxyOptions } from "../../bench/sim-proxy.ts";
import { silentLog } from "../../src/base/log.ts";
import type { SyncStatus, TypeStatus } from "../../src/base/sync-status.ts";
import { type RunningDiscovery, startDiscovery } from "../../src/bin/discovery.ts";
import { systemClock } from "../../src/net/clock.ts";
import { eventually } from "../support/envoy-process.ts";

const size: LoadSize = { proxies: 4, services: 25, endpoints: 2, namespaces: 2, scoped: false };

function discover(directory: string, port: number): Promise<RunningDiscovery> {
  return startDiscovery({
    source: { kind: "files", directory },
    plaintext: { host: "127.0.0.1", port },
    tls: [],
    http: [{ host: "127.0.0.1", port: 0 }],
    stateDir: undefined,
    instance: "test",
    version: "test",
    certificateLifetimeMs: undefined,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
  });
}

/** Pushes since the start by short type name, in the order of the metric's lines. */
async function pushes(running: RunningDiscovery): Promise<Record<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${running.httpPorts[0]}/metrics`);
  const lines = (await answer.text()).matchAll(/^pilot_xds_pushes\{type="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, type, count]) => [type, Number(count)]));
}

/** Waits until every proxy has everything of as many types, and says so. */
async function synced(running: RunningDiscovery, proxies: number, types: number): Promise<void> {
  await eventually(`${types} types of ${proxies} proxies in sync`, async () => {
    const answer = await fetch(`http://127.0.0.1:${running.httpPorts[0]}/debug/syncz`);
    const statuses = (await answer.json()) as SyncStatus[];
    const states = statuses.flatMap(status => Object.values(status.types));
    return statuses.length === proxies && states.filter(isSynced).length === types;
  });
}

function isSynced({ state }: TypeStatus): boolean {
  return state === "SYNCED";
}

function gateway(port: number): SimProxyOptions {
  const id = "router~10.99.0.1~ingress.istio-system~istio-system.svc.cluster.local";
  const node = { id, metadata: { NAMESPACE: "istio-system", NAME: "ingress" } };
  return { url: `http://127.0.0.1:${port}`, node, trackVersions: true };
}

test("after a restart nothing unchanged is pushed, and what changed meanwhile is", async t => {
  const directory = mkdtempSync(join(tmpdir(), "lateen-restart-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, objects: readonly object[]): void =>
    writeFileSync(
      join(directory, `${name}.yaml`),
      objects.map(object => stringify(object)).join("---\n"),
    );
  for (let i = 0; i < size.services; i++) write(`svc-${i}`, serviceObjects(size, i));

  const first = await discover(directory, 0);
  const port = first.plaintextPort ?? 0;
  const fleet = new SimFleet([
    ...sidecarNodes(size).map(node => ({
      url: `http://127.0.0.1:${port}`,
      node,
      trackVersions: true,
    })),
    gateway(port),
  ]);
  t.after(() => fleet.close());
  fleet.connect();
  await fleet.configured(20_000);
  // Clusters, endpoints, listeners, routes and virtual hosts; a gateway without routes the first three.
  const types = 5 * size.proxies + 3;
  const proxies = size.proxies + 1;
  await synced(first, proxies, types);
  const before = await pushes(first);
  for (const type of ["cds", "eds", "lds", "rds", "vhds"])
    assert.ok((before[type] ?? 0) >= size.proxies, `${type}: ${before[type]}`);
  await first.stop();

  const configured = fleet.total();
  const second = await discover(directory, port);
  t.after(() => second.stop());
  for (const proxy of fleet.proxies) proxy.reconnect();
  await synced(second, proxies, types);
  // A gateway without a listener can not say that it has none, and one that was never answered
  // says the same and must not wait for ever: it is told again that there is none.
  assert.deepEqual(await pushes(second), { lds: 1 });
  assert.equal(fleet.total().resources, configured.resources);
  assert.equal(fleet.total().removed, configured.removed);
  await second.stop();

  write("sidecars", sidecarsOf({ ...size, scoped: true }).slice(0, 1));
  const third = await discover(directory, port);
  t.after(() => third.stop());
  for (const proxy of fleet.proxies) proxy.reconnect();
  const told = () => fleet.proxies.filter(proxy => proxy.counts.removed > 0).length;
  // Those of the one namespace that has a scope now.
  await eventually("sidecars are told", () => told() === size.proxies / 2);
});
