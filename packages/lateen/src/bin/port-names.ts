/**
 * Remembers what ports of Services were called, where a change reaches the Service and its
 * EndpointSlices one after the other (model/held-port-names.ts). In memory only: every replica sees
 * both changes itself, and after a restart in between Istio's behaviour holds.
 */
import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { Service } from "../api/service/schema.ts";
import type { Clock } from "../base/clock.ts";
import type { Graph, Writer } from "../flow/types.ts";
import { SERVICE_NAME } from "../model/endpoints.ts";
import {
  type HeldPortNames,
  type OtherNames,
  renamedListings,
  renamedPorts,
} from "../model/held-port-names.ts";
import { type ModelInputs, objectKey } from "../model/inputs.ts";

/** As long as names are held: EndpointSlices follow their Service much sooner, or never. */
export const HOLD_MS = 60_000;

const NO_NAMES: OtherNames = Object.freeze({});

export class PortNames {
  readonly #graph: Graph;
  readonly #inputs: ModelInputs;
  readonly #clock: Clock;
  /** What the rows are, or will be when the commit that sets them is through. */
  readonly #rows = new Map<string, HeldPortNames>();
  readonly #timers = new Map<string, () => void>();

  constructor(graph: Graph, inputs: ModelInputs, clock: Clock) {
    this.#graph = graph;
    this.#inputs = inputs;
    this.#clock = clock;
  }

  readonly onService = (writer: Writer, key: string, after: Service): void => {
    const before = this.#inputs.services.get(key);
    if (before === undefined || sameNames(before.spec.ports, after.spec.ports)) return;
    this.#hold(writer, key, renamedPorts(before, after, this.#names(key)));
  };

  readonly onSlice = (writer: Writer, key: string, after: EndpointSlice): void => {
    const before = this.#inputs.endpointSlices.get(key);
    if (before === undefined || sameNames(before.ports, after.ports)) return;
    const name = after.metadata.labels[SERVICE_NAME] ?? "";
    const of = objectKey({ namespace: after.metadata.namespace, name });
    const service = this.#inputs.services.get(of);
    if (service === undefined) return;
    this.#hold(writer, of, renamedListings(before, after, service, this.#names(of)));
  };

  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #names(key: string): OtherNames {
    return this.#rows.get(key)?.names ?? NO_NAMES;
  }

  #hold(writer: Writer, key: string, names: OtherNames | undefined): void {
    if (names === undefined) return;
    const row = { names, until: this.#clock.now() + HOLD_MS };
    this.#rows.set(key, row);
    this.#timers.get(key)?.();
    this.#timers.set(
      key,
      this.#clock.after(HOLD_MS, () => this.#end(key)),
    );
    writer.set(this.#inputs.heldPortNames, key, row);
  }

  #end(key: string): void {
    this.#rows.delete(key);
    this.#timers.delete(key);
    const about = { source: "held port names", subject: `Service ${key}`, at: this.#clock.now() };
    this.#graph.commit(about, writer => writer.delete(this.#inputs.heldPortNames, key));
  }
}

interface Named {
  readonly name: string;
}

function sameNames(a: readonly Named[], b: readonly Named[]): boolean {
  return a.length === b.length && a.every(({ name }, i) => name === b[i]?.name);
}
