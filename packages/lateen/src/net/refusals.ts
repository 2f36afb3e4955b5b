/** Why clients were turned away a moment ago, by the address that they came from. */
export class Refusals {
  readonly #now: () => number;
  readonly #byAddress = new Map<string, { readonly why: string; readonly at: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  note(address: string, why: string): void {
    const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
    this.#byAddress.delete(plain);
    if (this.#byAddress.size >= MAX_ADDRESSES) {
      for (const oldest of this.#byAddress.keys()) {
        this.#byAddress.delete(oldest);
        break;
      }
    }
    this.#byAddress.set(plain, { why, at: this.#now() });
  }

  /** The newest reason of these addresses that still counts. */
  reason(addresses: readonly string[]): string | undefined {
    const after = this.#now() - COUNTS_MS;
    const found = addresses.flatMap(address => this.#byAddress.get(address) ?? []);
    return found.filter(each => each.at >= after).sort((a, b) => b.at - a.at)[0]?.why;
  }
}

const MAX_ADDRESSES = 1_000;
/** Envoy tries again at least every thirty seconds. */
const COUNTS_MS = 120_000;
