/**
 * The embedded store with a load in it, served over HTTP as `lateen up` serves it, in a process of
 * its own: the control plane that is measured reads and follows it as it would an API server.
 */
import { randomBytes, randomUUID } from "node:crypto";
import type { JsonObject } from "../src/api/kind.ts";
import { allKinds, kindOfObject } from "../src/api/registry.ts";
import { assert } from "../src/base/assert.ts";
import { silentLog } from "../src/base/log.ts";
import { systemClock } from "../src/net/clock.ts";
import { objectAt, stringAt } from "../src/sources/json.ts";
import { serveKubeApi } from "../src/sources/kube-api/server.ts";
import { succeeded } from "../src/sources/status.ts";
import { openStore, type Store } from "../src/sources/store/store.ts";
import {
  clashingEntries,
  type LoadSize,
  namespacesOf,
  serviceAccount,
  serviceObjects,
  sidecarsOf,
} from "./load.ts";

process.once("message", (message: { given: { size: LoadSize; file: string } }) => {
  void serve(message.given.size, message.given.file);
});
process.once("disconnect", () => process.exit(0));
process.once("SIGTERM", () => process.exit(0));

async function serve(size: LoadSize, file: string): Promise<void> {
  const opened = openStore({
    path: file,
    kinds: allKinds,
    clock: systemClock,
    ids: { uid: randomUUID, suffix: () => randomBytes(3).toString("hex").slice(0, 5) },
    log: silentLog,
    namespaces: ["default", "istio-system"],
  });
  assert(opened.ok, JSON.stringify(opened.diagnostics));
  const store = opened.value;
  const first = [...namespacesOf(size), ...sidecarsOf(size), ...clashingEntries(size)];
  for (const object of first) create(store, object);
  for (let i = 0; i < size.services; i++) {
    const objects = [serviceAccount(size, i), ...serviceObjects(size, i)];
    for (const object of objects) create(store, object);
  }
  const listener = await serveKubeApi({
    store,
    clock: systemClock,
    version: "bench",
    log: silentLog,
    host: "127.0.0.1",
    port: 0,
  });
  process.send?.({ port: listener.port });
}

function create(store: Store, object: JsonObject): void {
  const kind = kindOfObject(String(object["apiVersion"]), String(object["kind"]));
  assert(kind !== undefined, `no kind for ${JSON.stringify(object)}`);
  const metadata = objectAt(object, "metadata");
  const namespace = stringAt(metadata, "namespace");
  const created = store.create(kind, namespace, object);
  assert(created.ok, JSON.stringify(created));
  const { status } = object;
  if (status === undefined) return;
  // As with Kubernetes, what creates an object does not set its status.
  const withStatus = (current: JsonObject) => succeeded({ ...current, status });
  const name = stringAt(metadata, "name");
  const written = store.modify(kind, namespace, name, withStatus, { subresource: "status" });
  assert(written.ok, JSON.stringify(written));
}
