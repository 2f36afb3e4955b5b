/** Who was turned away, as far as it is known. */
export interface RefusedClient {
  readonly address: string;
  /** Uid of the pod that its credential proved. */
  readonly provenPod?: string | undefined;
  /** Uid of the pod that its credential names, which nothing vouches for. */
  readonly claimedPod?: string | undefined;
}

/**
 * Why pods were turned away a moment ago. Several pods may have one address (that of their node), so
 * what a credential says comes first: proven, it is that pod's whatever the address; claimed, it is
 * only where it comes from one of the pod's addresses, or anyone could say things of others' pods.
 * Who shows no credential is all pods with that address.
 */
export class Refusals {
  /** Milliseconds that only go on. */
  readonly #now: () => number;
  /** By `key`. */
  readonly #reasons = new Map<string, { readonly why: string; readonly at: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  note({ address, provenPod, claimedPod }: RefusedClient, why: string): void {
    const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
    const key = provenPod === undefined ? keyOf(claimedPod, plain) : keyOf(provenPod, "");
    this.#reasons.delete(key);
    if (this.#reasons.size >= MAX_REASONS) {
      for (const oldest of this.#reasons.keys()) {
        this.#reasons.delete(oldest);
        break;
      }
    }
    this.#reasons.set(key, { why, at: this.#now() });
  }

  /** The newest reason of this pod that still counts. */
  reason(pod: { readonly uid: string; readonly ips: readonly string[] }): string | undefined {
    const after = this.#now() - COUNTS_MS;
    const ofAddresses = pod.ips.flatMap(ip => [keyOf(pod.uid, ip), keyOf(undefined, ip)]);
    const found = [keyOf(pod.uid, ""), ...ofAddresses].flatMap(key => this.#reasons.get(key) ?? []);
    return found.filter(each => each.at >= after).sort((a, b) => b.at - a.at)[0]?.why;
  }
}

function keyOf(pod: string | undefined, address: string): string {
  return `${pod ?? ""} ${address}`;
}

const MAX_REASONS = 1_000;
/** Envoy tries again at least every thirty seconds. */
const COUNTS_MS = 120_000;
