import type { JsonObject } from "../api/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import type { Service } from "../api/service/schema.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt } from "../sources/json.ts";
import { type AddressPool, externalPool, type NetworkPlan, servicePool } from "./network-plan.ts";
import type { ObjectCache } from "./object-cache.ts";
import { expectOk } from "./store-result.ts";
import { WorkQueue } from "./work-queue.ts";

export interface ServiceAddressesOptions {
  readonly client: ApiClient;
  readonly services: ObjectCache<Service>;
  readonly plan: NetworkPlan;
  readonly clock: Clock;
  readonly log: Log;
}

/** Gives Services their cluster IP, and those of type LoadBalancer an address for the host. */
export class ServiceAddresses {
  readonly #options: ServiceAddressesOptions;
  readonly #queue: WorkQueue;
  readonly #cluster: AddressPool;
  readonly #external: AddressPool;
  /** What each Service has taken, to give it back. */
  readonly #taken = new Map<string, { cluster?: string; external?: string }>();

  constructor(options: ServiceAddressesOptions) {
    this.#options = options;
    const { clock, log, plan, services } = options;
    this.#cluster = servicePool(plan);
    this.#external = externalPool(plan);
    const work = (key: string): Promise<void> => this.#reconcile(key);
    this.#queue = new WorkQueue({ name: "service addresses", clock, log, work });
    for (const service of services.all()) this.#claim(keyOf(service), service);
    for (const service of services.all()) this.#queue.add(keyOf(service));
    services.onChange(changes => {
      for (const { key, after } of changes) {
        if (after !== undefined) this.#claim(key, after);
        this.#queue.add(key);
      }
    });
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  #claim(key: string, service: Service): void {
    const taken = this.#taken.get(key) ?? {};
    const cluster = service.spec.clusterIP ?? "";
    const external = externalAddress(service);
    if (taken.cluster === undefined && this.#cluster.claim(cluster)) taken.cluster = cluster;
    if (taken.external === undefined && this.#external.claim(external)) taken.external = external;
    this.#taken.set(key, taken);
  }

  async #reconcile(key: string): Promise<void> {
    const service = this.#options.services.at(key);
    const taken = this.#taken.get(key);
    if (service === undefined) {
      if (taken?.cluster !== undefined) this.#cluster.release(taken.cluster);
      if (taken?.external !== undefined) this.#external.release(taken.external);
      this.#taken.delete(key);
      return;
    }
    await this.#reconcileCluster(key, service);
    const current = this.#options.services.at(key);
    if (current !== undefined) await this.#reconcileExternal(key, current);
  }

  async #reconcileCluster(key: string, service: Service): Promise<void> {
    const { client, services, log } = this.#options;
    const { clusterIP = "", type } = service.spec;
    if (clusterIP === "None" || type === "ExternalName") return;
    const taken = this.#taken.get(key) ?? {};
    if (clusterIP !== "" && taken.cluster === clusterIP) return;
    const { namespace, name } = service.metadata;
    if (clusterIP !== "") {
      // From an earlier run in another network, or one that is somebody else's: it can not be changed.
      log.warn("service is made anew: its address is not one of this network", { service: key });
      await this.#recreate(key);
      return;
    }
    const address = taken.cluster ?? this.#cluster.take();
    if (address === undefined) throw new Error("no service address is left");
    this.#taken.set(key, { ...taken, cluster: address });
    const spec = {
      clusterIP: address,
      clusterIPs: [address],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
    };
    const patched = await client.patch(serviceKind, namespace, name, "merge", { spec });
    if (!patched.ok && patched.status.code === 404) services.forget(namespace, name);
    services.apply(expectOk(patched));
  }

  async #recreate(key: string): Promise<void> {
    const { client, services } = this.#options;
    const json = services.jsonAt(key) ?? {};
    const metadata = objectAt(json, "metadata");
    const { namespace, name, labels = {}, annotations = {} } = metadata;
    if (typeof namespace !== "string" || typeof name !== "string") return;
    const { clusterIP: _ip, clusterIPs: _ips, ...spec } = objectAt(json, "spec");
    expectOk(await client.delete(serviceKind, namespace, name));
    services.forget(namespace, name);
    const body: JsonObject = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name, labels, annotations },
      spec,
    };
    services.apply(expectOk(await client.create(serviceKind, namespace, body)));
  }

  async #reconcileExternal(key: string, service: Service): Promise<void> {
    const { client, services } = this.#options;
    if (service.spec.type !== "LoadBalancer") return;
    const taken = this.#taken.get(key) ?? {};
    const shown = externalAddress(service);
    if (shown !== "" && shown === taken.external) return;
    const ip = taken.external ?? this.#external.take();
    if (ip === undefined) throw new Error("no load-balancer address is left");
    this.#taken.set(key, { ...taken, external: ip });
    const { namespace, name } = service.metadata;
    const status = { loadBalancer: { ingress: [{ ip }] } };
    const patched = await client.patch(
      serviceKind,
      namespace,
      name,
      "merge",
      { status },
      { subresource: "status" },
    );
    if (!patched.ok && patched.status.code === 404) services.forget(namespace, name);
    services.apply(expectOk(patched));
  }
}

function keyOf({ metadata }: Service): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** The first address of a load balancer, or "". */
export function externalAddress(service: Service): string {
  return service.status?.loadBalancer?.ingress?.[0]?.ip ?? "";
}
