import { assert } from "../base/assert.ts";

/**
 * The addresses of one mesh: a /16 of its own. Lower half: pods; upper half: services, with
 * load-balancer addresses and the link to the host at its end.
 */
export interface NetworkPlan {
  /** e.g. `10.244`. */
  readonly prefix: string;
  readonly cidr: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** The node's address on the bridge: the pods' gateway. */
  readonly gateway: string;
  /** The host's end of the link: where the control plane and the DNS server listen. */
  readonly hostAddress: string;
  /** The node's end of the link. */
  readonly nodeAddress: string;
  /** Cluster IP of the DNS service, in every pod's resolv.conf. */
  readonly dnsAddress: string;
}

const HALF = 1 << 15;
const FIRST_POD = 10;
/** Well-known addresses first: the API's own, the DNS server's. */
const FIRST_SERVICE = 1;
const FIRST_FREE_SERVICE = 256;
const FIRST_EXTERNAL = 254 * 256 - HALF + 1;
const LAST_SERVICE = 254 * 256 - HALF - 1;
const LAST_EXTERNAL = FIRST_EXTERNAL + 253;

/** Kubernetes' habit first; others where that is taken. */
export const planCandidates: readonly NetworkPlan[] = Array.from({ length: 160 }, (_, i) =>
  networkPlan(244 - i),
);

export function networkPlan(second: number): NetworkPlan {
  assert(second > 0 && second < 256, `10.${second}.0.0/16 is no network`);
  const prefix = `10.${second}`;
  return {
    prefix,
    cidr: `${prefix}.0.0/16`,
    podCidr: `${prefix}.0.0/17`,
    serviceCidr: `${prefix}.128.0/17`,
    gateway: `${prefix}.0.1`,
    hostAddress: `${prefix}.255.253`,
    nodeAddress: `${prefix}.255.254`,
    dnsAddress: `${prefix}.128.10`,
  };
}

/** Whether an address or CIDR of the host lies in, or around, the plan's network. */
export function overlaps(plan: NetworkPlan, cidr: string): boolean {
  const [address = "", length = "32"] = cidr.split("/");
  const bits = Math.min(Number(length), 16);
  if (bits === 0) return false; // The default route.
  const mask = bits === 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
  return (toNumber(address) & mask) === (toNumber(`${plan.prefix}.0.0`) & mask);
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

function addressAt(plan: NetworkPlan, half: 0 | 1, offset: number): string {
  const value = half * HALF + offset;
  return `${plan.prefix}.${value >> 8}.${value & 255}`;
}

/** Hands out addresses, the longest unused one first: what is given back stays unused for long. */
export class AddressPool {
  readonly #plan: NetworkPlan;
  readonly #half: 0 | 1;
  readonly #first: number;
  readonly #last: number;
  readonly #used = new Set<string>();
  #next: number;

  /** Addresses from `first` to `last` may be claimed; those from `next` on are handed out first. */
  constructor(plan: NetworkPlan, half: 0 | 1, first: number, last: number, next: number = first) {
    this.#plan = plan;
    this.#half = half;
    this.#first = first;
    this.#last = last;
    this.#next = next;
  }

  /** undefined: all are taken. */
  take(): string | undefined {
    for (let tries = this.#first; tries <= this.#last; tries++) {
      const address = addressAt(this.#plan, this.#half, this.#next);
      this.#next = this.#next >= this.#last ? this.#first : this.#next + 1;
      if (this.#used.has(address)) continue;
      this.#used.add(address);
      return address;
    }
    return undefined;
  }

  /** False when it is not one of the pool's, or is taken. */
  claim(address: string): boolean {
    if (!this.#holds(address) || this.#used.has(address)) return false;
    this.#used.add(address);
    return true;
  }

  release(address: string): void {
    this.#used.delete(address);
  }

  #holds(address: string): boolean {
    if (!address.startsWith(`${this.#plan.prefix}.`)) return false;
    const offset = (toNumber(address) & 0xffff) - this.#half * HALF;
    return offset >= this.#first && offset <= this.#last;
  }
}

export function podPool(plan: NetworkPlan): AddressPool {
  return new AddressPool(plan, 0, FIRST_POD, HALF - 2);
}

export function servicePool(plan: NetworkPlan): AddressPool {
  return new AddressPool(plan, 1, FIRST_SERVICE, LAST_SERVICE, FIRST_FREE_SERVICE);
}

export function externalPool(plan: NetworkPlan): AddressPool {
  return new AddressPool(plan, 1, FIRST_EXTERNAL, LAST_EXTERNAL);
}
