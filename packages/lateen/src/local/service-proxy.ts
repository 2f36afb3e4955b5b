import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { Service } from "../api/service/schema.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { applyServiceRules, type NodeNetwork } from "./node-network.ts";
import type { ObjectCache } from "./object-cache.ts";
import { serviceRules } from "./service-rules.ts";
import { rulesOf } from "./service-view.ts";
import { WorkQueue } from "./work-queue.ts";

export interface ServiceProxyOptions {
  readonly node: NodeNetwork;
  readonly services: ObjectCache<Service>;
  readonly slices: ObjectCache<EndpointSlice>;
  readonly clock: Clock;
  readonly log: Log;
}

const ALL = "all";
/** Changes that come together make one transaction. */
const GATHER_MS = 10;

/** Keeps the node's service rules (kube-proxy's part). */
export class ServiceProxy {
  readonly #options: ServiceProxyOptions;
  readonly #queue: WorkQueue;
  #applied = "";

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
    const { clock, log, services, slices } = options;
    this.#queue = new WorkQueue({ name: "service rules", clock, log, work: () => this.#apply() });
    const later = (): void => this.#queue.addLater(ALL, GATHER_MS);
    later();
    services.onChange(later);
    slices.onChange(later);
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  async #apply(): Promise<void> {
    const { node, services, slices } = this.#options;
    const rules = services
      .all()
      .flatMap(service => rulesOf(service, slices))
      .sort((a, b) => `${a.address}:${a.port}`.localeCompare(`${b.address}:${b.port}`));
    const text = serviceRules(rules);
    if (text === this.#applied) return;
    const problem = await applyServiceRules(node, rules);
    if (problem !== undefined) throw new Error(problem);
    this.#applied = text;
  }
}
