/** core/v1 Endpoints, which `kubectl get ep` shows, made of EndpointSlices; for reading only. */
import { ageColumn, column, objectsAt, textAt } from "../../api/columns.ts";
import { defineKind } from "../../api/define.ts";
import type { Json, JsonObject, Kind } from "../../api/kind.ts";
import { any, list } from "../../api/schema.ts";
import { arrayAt, isObject, jsonEqual, objectAt, stringAt } from "../json.ts";
import { type ApiResult, notFound, succeeded } from "../status.ts";
import { everything, selects } from "../store/selectors.ts";
import type { Store } from "../store/store.ts";
import type { StoredObject } from "../store/stored.ts";
import type { Watch, WatchEvent, WatchOptions } from "../store/watch.ts";
import type { Reader, Served, WatchReader } from "./served.ts";

const SERVICE_LABEL = "kubernetes.io/service-name";
const SHOWN = 3;

const endpointsKind: Kind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "Endpoints",
  plural: "endpoints",
  shortNames: ["ep"],
  description: "The addresses behind a Service, in the older form of EndpointSlice.",
  fields: { subsets: list(any()) },
  columns: [column("Endpoints", "Addresses and ports.", endpointsText), ageColumn],
});

function endpointsText(endpoints: JsonObject): string {
  const all = objectsAt(endpoints, "subsets").flatMap(subset => {
    const ports = objectsAt(subset, "ports").map(port => `:${String(port["port"])}`);
    const addresses = objectsAt(subset, "addresses").map(address => textAt(address, "ip"));
    return addresses.flatMap(ip => (ports.length === 0 ? [ip] : ports.map(port => ip + port)));
  });
  if (all.length === 0) return "<none>";
  const more = all.length > SHOWN ? ` + ${all.length - SHOWN} more...` : "";
  return all.slice(0, SHOWN).join(",") + more;
}

/** undefined where the store has no EndpointSlices. */
export function derivedEndpoints(store: Store): Served | undefined {
  const slices = store.kinds.find(kind => kind.plural === "endpointslices");
  if (slices === undefined) return undefined;
  return { kind: endpointsKind, reader: endpointsReader(store, slices), writable: false };
}

function endpointsReader(store: Store, slices: Kind): Reader {
  return {
    get: (kind, namespace, name) => {
      const found = endpointsOf(store, slices, namespace).get(`${namespace}/${name}`);
      return found === undefined ? notFound(kind, name) : succeeded(found);
    },
    list: (_kind, { namespace, selection }) =>
      succeeded({
        items: [...endpointsOf(store, slices, namespace).values()].filter(object =>
          selects(selection, object.json),
        ),
        revision: store.revision,
        continue: undefined,
        remaining: undefined,
      }),
    watch: (_kind, options) => watchEndpoints(store, slices, options),
  };
}

/** By `namespace/name`, in order. */
function endpointsOf(
  store: Store,
  slices: Kind,
  namespace: string | undefined,
): Map<string, StoredObject> {
  const byService = new Map<string, StoredObject[]>();
  const page = store.list(slices, { namespace, selection: everything });
  for (const slice of page.ok ? page.value.items : []) {
    const name = stringAt(objectAt(objectAt(slice.json, "metadata"), "labels"), SERVICE_LABEL);
    if (name === "") continue;
    const key = `${slice.namespace}/${name}`;
    byService.set(key, [...(byService.get(key) ?? []), slice]);
  }
  const all = [...byService].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(all.map(([key, group]) => [key, fromSlices(key, group)]));
}

function fromSlices(key: string, slices: readonly StoredObject[]): StoredObject {
  const slash = key.indexOf("/");
  const [namespace, name] = [key.slice(0, slash), key.slice(slash + 1)];
  const resourceVersion = Math.max(...slices.map(slice => slice.resourceVersion));
  const created = slices.map(({ json }) =>
    stringAt(objectAt(json, "metadata"), "creationTimestamp"),
  );
  const json: JsonObject = {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: {
      name,
      namespace,
      uid: slices[0]?.uid ?? "",
      resourceVersion: String(resourceVersion),
      creationTimestamp: created.sort()[0] ?? "",
    },
    subsets: slices.map(slice => subsetOf(slice.json)).filter(subset => subset !== undefined),
  };
  return { kind: endpointsKind, namespace, name, uid: slices[0]?.uid ?? "", resourceVersion, json };
}

function subsetOf(slice: JsonObject): JsonObject | undefined {
  const ready: JsonObject[] = [];
  const notReady: JsonObject[] = [];
  for (const endpoint of arrayAt(slice, "endpoints").filter(isObject)) {
    const isReady = objectAt(endpoint, "conditions")["ready"] !== false;
    for (const ip of arrayAt(endpoint, "addresses"))
      (isReady ? ready : notReady).push(addressOf(endpoint, ip));
  }
  if (ready.length === 0 && notReady.length === 0) return undefined;
  return {
    ...(ready.length === 0 ? {} : { addresses: ready }),
    ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
    ports: arrayAt(slice, "ports"),
  };
}

function addressOf(endpoint: JsonObject, ip: Json): JsonObject {
  const { nodeName, targetRef } = endpoint;
  return {
    ip,
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}

function watchEndpoints(store: Store, slices: Kind, options: WatchOptions): ApiResult<WatchReader> {
  const all = { ...options, selection: everything, since: options.since ?? store.revision };
  const inner = store.watch(slices, all);
  return inner.ok ? succeeded(new EndpointsWatch(store, slices, inner.value, options)) : inner;
}

/** Compares what there is with what was told, whenever a slice has changed. */
class EndpointsWatch implements WatchReader {
  readonly #store: Store;
  readonly #slices: Kind;
  readonly #inner: Watch;
  readonly #options: WatchOptions;
  #told: ReadonlyMap<string, StoredObject>;
  #started = false;

  constructor(store: Store, slices: Kind, inner: Watch, options: WatchOptions) {
    this.#store = store;
    this.#slices = slices;
    this.#inner = inner;
    this.#options = options;
    this.#told = options.since === undefined ? new Map() : this.#present();
    this.#started = options.since !== undefined;
  }

  get pastInitial(): boolean {
    return this.#started;
  }

  get position(): number {
    return this.#inner.position;
  }

  take(max: number): ApiResult<readonly WatchEvent[]> {
    const changed = this.#inner.take(max);
    if (!changed.ok) return changed;
    if (this.#started && changed.value.length === 0) return succeeded([]);
    this.#started = true;
    const present = this.#present();
    const events: WatchEvent[] = [];
    for (const [key, { json }] of present) {
      const before = this.#told.get(key);
      if (before === undefined) events.push({ type: "ADDED", object: json });
      else if (!jsonEqual(before.json, json)) events.push({ type: "MODIFIED", object: json });
    }
    for (const [key, { json }] of this.#told)
      if (!present.has(key)) events.push({ type: "DELETED", object: json });
    this.#told = present;
    return succeeded(events);
  }

  close(): void {
    this.#inner.close();
  }

  #present(): Map<string, StoredObject> {
    const { namespace, selection } = this.#options;
    const all = endpointsOf(this.#store, this.#slices, namespace);
    return new Map([...all].filter(([, object]) => selects(selection, object.json)));
  }
}
