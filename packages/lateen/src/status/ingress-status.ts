/**
 * Where the ingress gateway is reached, written into the status of each Ingress (Istio's status
 * syncer). The model says which of them do not say so yet; usually there are none.
 */
import { ingressKind } from "../api/ingress/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Graph } from "../flow/types.ts";
import type { Model } from "../model/model.ts";
import type { ApiClient } from "../sources/client/api-client.ts";

export interface IngressStatusOptions {
  readonly graph: Graph;
  readonly model: Model;
  readonly client: Pick<ApiClient, "patch">;
  readonly clock: Clock;
  readonly log: Log;
}

const MAX_IN_FLIGHT = 4;
const AGAIN_AFTER_MS = 5000;

export class IngressStatus {
  readonly #options: IngressStatusOptions;
  readonly #busy = new Set<string>();
  /** What was written and has not come back yet, and what could not be written for now. */
  readonly #waiting = new Map<string, string>();
  #running = false;
  #cancel: (() => void) | undefined;
  #lastTrouble = "";

  constructor(options: IngressStatusOptions) {
    this.#options = options;
    options.graph.onCommit(() => this.#pump());
  }

  /** Everything there was at the start must be known: a Service not yet seen has no address. */
  start(): void {
    this.#running = true;
    this.#pump();
  }

  /** `start` begins anew. */
  stop(): void {
    this.#running = false;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting.clear();
  }

  #pump(): void {
    if (!this.#running) return;
    const due = this.#options.model.ingresses.addressesDue;
    for (const key of this.#waiting.keys())
      if (due.get(key) === undefined) this.#waiting.delete(key);
    if (due.size === 0) return;
    for (const [key, row] of due.entries()) {
      if (this.#busy.size >= MAX_IN_FLIGHT) return;
      const wanted = JSON.stringify(row.addresses);
      if (this.#busy.has(key) || this.#waiting.get(key) === wanted) continue;
      this.#busy.add(key);
      this.#waiting.set(key, wanted);
      void this.#write(key, row);
    }
  }

  async #write(
    key: string,
    {
      namespace,
      name,
      addresses,
    }: { namespace: string; name: string; addresses: readonly object[] },
  ): Promise<void> {
    const { client, log } = this.#options;
    const ingress = addresses.map(each => ({ ...each }));
    const patch = { status: { loadBalancer: { ingress } } };
    const request = { subresource: "status" } as const;
    const result = await client.patch(ingressKind, namespace, name, "merge", patch, request);
    this.#busy.delete(key);
    if (result.ok) this.#lastTrouble = "";
    else {
      const { code, message = "" } = result.status;
      if (message !== this.#lastTrouble)
        log.warn("cannot write the address of an Ingress", { ingress: key, code, error: message });
      this.#lastTrouble = message;
    }
    this.#tryAgainLater();
    this.#pump();
  }

  /** What was written comes back as a change; this is for what was not, or was undone. */
  #tryAgainLater(): void {
    if (!this.#running) return;
    this.#cancel ??= this.#options.clock.after(AGAIN_AFTER_MS, () => {
      this.#cancel = undefined;
      this.#waiting.clear();
      this.#pump();
    });
  }
}
