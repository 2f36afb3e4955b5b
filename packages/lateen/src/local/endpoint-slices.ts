import { type EndpointSlice, endpointSliceKind } from "../api/endpoint-slice/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { hasLabels } from "../api/label-selector.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Service } from "../api/service/schema.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import type { CacheChange, ObjectCache } from "./object-cache.ts";
import {
  desiredSlices,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  planSlices,
  SERVICE_LABEL,
  type SliceContent,
  type ZoneOf,
} from "./slice-plan.ts";
import { expectOk } from "./store-result.ts";
import { WorkQueue } from "./work-queue.ts";

export interface EndpointSlicesOptions {
  readonly client: ApiClient;
  readonly services: ObjectCache<Service>;
  readonly pods: ObjectCache<Pod>;
  readonly slices: ObjectCache<EndpointSlice>;
  readonly zoneOf: ZoneOf;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps the EndpointSlices of every Service with a selector. */
export class EndpointSlices {
  readonly #options: EndpointSlicesOptions;
  readonly #queue: WorkQueue;

  constructor(options: EndpointSlicesOptions) {
    this.#options = options;
    const { clock, log, services, pods } = options;
    const work = (key: string): Promise<void> => this.#reconcile(key);
    this.#queue = new WorkQueue({ name: "endpointslices", clock, log, work });
    for (const { metadata } of services.all())
      this.#queue.add(`${metadata.namespace}/${metadata.name}`);
    services.onChange(changes => {
      for (const { key } of changes) this.#queue.add(key);
    });
    pods.onChange(changes => {
      for (const change of changes) this.#podChanged(change);
    });
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  #podChanged({ before, after }: CacheChange<Pod>): void {
    const namespace = (after ?? before)?.metadata.namespace ?? "";
    for (const service of this.#options.services.inNamespace(namespace)) {
      const { selector } = service.spec;
      if (selector === undefined) continue;
      const concerned = [before, after].some(
        pod => pod !== undefined && hasLabels(selector, pod.metadata.labels),
      );
      if (concerned) this.#queue.add(`${namespace}/${service.metadata.name}`);
    }
  }

  async #reconcile(key: string): Promise<void> {
    const { client, services, pods, slices, zoneOf } = this.#options;
    const service = services.at(key);
    const [namespace = "", name = ""] = key.split("/");
    const existing = slices.inNamespace(namespace).filter(({ metadata: { labels } }) => {
      return labels[SERVICE_LABEL] === name && labels[MANAGED_BY_LABEL] === MANAGED_BY;
    });
    const desired =
      service === undefined ? [] : desiredSlices(service, pods.inNamespace(namespace), zoneOf);
    const plan = planSlices(desired, existing);
    for (const { slice, content } of plan.update) await this.#update(slice, content);
    if (service !== undefined)
      for (const content of plan.create) {
        const created = await client.create(endpointSliceKind, namespace, body(service, content));
        slices.apply(expectOk(created));
      }
    for (const slice of plan.delete) await this.#delete(slice);
  }

  async #update(slice: EndpointSlice, { ports, endpoints }: SliceContent): Promise<void> {
    const { client, slices } = this.#options;
    const { namespace, name } = slice.metadata;
    const patch = { ports, endpoints };
    const result = await client.patch(endpointSliceKind, namespace, name, "merge", patch);
    if (!result.ok && result.status.code === 404) slices.forget(namespace, name);
    slices.apply(expectOk(result));
  }

  async #delete(slice: EndpointSlice): Promise<void> {
    const { client, slices } = this.#options;
    const { namespace, name } = slice.metadata;
    const result = await client.delete(endpointSliceKind, namespace, name);
    if (result.ok || result.status.code === 404) slices.forget(namespace, name);
    else expectOk(result);
  }
}

function body(service: Service, { ports, endpoints }: SliceContent): JsonObject {
  const { name, namespace, uid, labels } = service.metadata;
  const headless = service.spec.clusterIP === "None";
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: {
        ...labels,
        [SERVICE_LABEL]: name,
        [MANAGED_BY_LABEL]: MANAGED_BY,
        ...(headless ? { "service.kubernetes.io/headless": "" } : {}),
      },
      ownerReferences: [
        {
          apiVersion: "v1",
          kind: "Service",
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    addressType: "IPv4",
    ports,
    endpoints,
  };
}
