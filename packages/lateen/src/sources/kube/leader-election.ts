/**
 * One leader among the replicas, by a Lease (coordination.k8s.io/v1), as client-go elects: whoever
 * holds it renews it; the others take it when they have seen no renewal for its duration. Clocks of
 * different machines are never compared.
 */
import type { JsonObject } from "../../api/kind.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ApiClient, Resource } from "../client/api-client.ts";
import { objectAt, stringAt } from "../json.ts";

/** One leader among all revisions: there is one status of an object, and one of each ConfigMap. */
export const LEADER_LEASE = "lateen-leader";

/** One among the replicas of a revision, for objects that no other revision sees. */
export function revisionLease(revision: string): string {
  return `${LEADER_LEASE}-${revision}`;
}

export const leaseResource: Resource = {
  group: "coordination.k8s.io",
  versions: ["v1"],
  plural: "leases",
  namespaced: true,
};

export interface LeaderElectionOptions {
  readonly client: Pick<ApiClient, "get" | "create" | "update">;
  readonly namespace: string;
  readonly name: string;
  /** Unique among the replicas: the pod's name. */
  readonly identity: string;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly onLead: () => void;
  /** What only a leader may do must have ended when this returns. */
  readonly onLost: () => void;
}

/** Istio's and client-go's times. */
const LEASE_MS = 15_000;
/** Before the lease runs out, so that there never are two. */
const RENEW_DEADLINE_MS = 10_000;
const RETRY_MS = 2_000;
const NOT_FOUND = 404;

interface Moment {
  readonly now: number;
  readonly monotonic: number;
}

export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  #leads = false;
  #stopped = false;
  /** What was last seen in the Lease, and when we first saw exactly that. */
  #observed = "";
  #observedAt = 0;
  /** When the last renewal that went through was sent. */
  #renewedAt: Moment = { now: 0, monotonic: 0 };
  #cancelRetry: () => void = () => {};
  #cancelDeadline: () => void = () => {};
  #lastTrouble = "";

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
  }

  get leads(): boolean {
    return this.#leads;
  }

  start(): void {
    void this.#try();
  }

  /** Gives the lease back, so that another one need not wait for its end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry();
    this.#cancelDeadline();
    if (!this.#leads) return;
    this.#setLeads(false);
    const { client, namespace, name } = this.#options;
    const current = await client.get(leaseResource, namespace, name);
    if (!current.ok || this.#holderOf(current.value) !== this.#options.identity) return;
    const spec = {
      ...objectAt(current.value, "spec"),
      holderIdentity: "",
      leaseDurationSeconds: 1,
    };
    await client.update(leaseResource, { ...current.value, spec });
  }

  async #try(): Promise<void> {
    const sentAt = this.#moment();
    const got = await this.#acquire(sentAt);
    if (this.#stopped) return;
    if (got) this.#renewed(sentAt);
    const wait = RETRY_MS * (1 + this.#options.random() * 0.2);
    this.#cancelRetry = this.#options.clock.after(wait, () => void this.#try());
  }

  /** True: the lease is ours, from `sentAt` on. */
  async #acquire(sentAt: Moment): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    const current = await client.get(leaseResource, namespace, name);
    if (this.#stopped) return false;
    if (!current.ok) {
      if (current.status.code !== NOT_FOUND) return this.#trouble(current.status.message);
      const made = await client.create(leaseResource, namespace, this.#newLease(sentAt.now));
      return made.ok || this.#trouble(made.status.message);
    }
    const lease = current.value;
    this.#observe(lease, sentAt.monotonic);
    const holder = this.#holderOf(lease);
    if (holder !== identity && holder !== "" && !this.#runOut(lease, sentAt.monotonic))
      return false;
    // The resourceVersion in it lets only one of several win.
    const taken = await client.update(leaseResource, this.#held(lease, holder, sentAt.now));
    return taken.ok || this.#trouble(taken.status.message);
  }

  #observe(lease: JsonObject, now: number): void {
    const spec = objectAt(lease, "spec");
    const seen = `${stringAt(spec, "holderIdentity")} ${stringAt(spec, "renewTime")}`;
    if (seen === this.#observed) return;
    this.#observed = seen;
    this.#observedAt = now;
  }

  #runOut(lease: JsonObject, now: number): boolean {
    const seconds = objectAt(lease, "spec")["leaseDurationSeconds"];
    const duration = typeof seconds === "number" ? seconds * 1000 : LEASE_MS;
    return now >= this.#observedAt + duration;
  }

  #holderOf(lease: JsonObject): string {
    return stringAt(objectAt(lease, "spec"), "holderIdentity");
  }

  #newLease(now: number): JsonObject {
    const { namespace, name, identity } = this.#options;
    const spec = { ...times(now), acquireTime: micro(now), leaseTransitions: 0 };
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name, namespace },
      spec: { ...spec, holderIdentity: identity },
    };
  }

  #held(lease: JsonObject, holder: string, now: number): JsonObject {
    const { identity } = this.#options;
    const spec = objectAt(lease, "spec");
    const { leaseTransitions } = spec;
    const before = typeof leaseTransitions === "number" ? leaseTransitions : 0;
    const taken =
      holder === identity ? {} : { acquireTime: micro(now), leaseTransitions: before + 1 };
    return { ...lease, spec: { ...spec, ...taken, ...times(now), holderIdentity: identity } };
  }

  #renewed(sentAt: Moment): void {
    this.#renewedAt = sentAt;
    this.#lastTrouble = "";
    this.#cancelDeadline();
    const { clock } = this.#options;
    const left = Math.max(0, RENEW_DEADLINE_MS - this.#passed(sentAt));
    this.#cancelDeadline = clock.after(left, () => {
      if (this.#passed(this.#renewedAt) >= RENEW_DEADLINE_MS) this.#setLeads(false);
    });
    // An answer that came too late proves nothing any more.
    if (left > 0) this.#setLeads(true);
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { now: clock.now(), monotonic: clock.monotonic() };
  }

  /**
   * The longer of two: a clock that is set back makes nothing younger, and while a machine sleeps only
   * the clock goes on. Who leads for too short a time asks again; who leads for too long is the second.
   */
  #passed(since: Moment): number {
    const { now, monotonic } = this.#moment();
    return Math.max(now - since.now, monotonic - since.monotonic);
  }

  #setLeads(leads: boolean): void {
    if (leads === this.#leads) return;
    this.#leads = leads;
    const { log, name, onLead, onLost } = this.#options;
    log.info(leads ? "leads" : "leads no longer", { lease: name });
    if (leads) onLead();
    else onLost();
  }

  #trouble(message: string | undefined): false {
    const { log, name, namespace } = this.#options;
    if (message !== this.#lastTrouble)
      log.warn("cannot get the lease", { lease: `${namespace}/${name}`, error: message });
    this.#lastTrouble = message ?? "";
    return false;
  }
}

function times(now: number): { renewTime: string; leaseDurationSeconds: number } {
  return { renewTime: micro(now), leaseDurationSeconds: LEASE_MS / 1000 };
}

/** Kubernetes' MicroTime. */
function micro(now: number): string {
  return new Date(now).toISOString().replace("Z", "000Z");
}
