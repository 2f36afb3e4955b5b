/**
 * A Service's ports and the EndpointSlices that list them by name are objects of their own, and a
 * change of a name reaches one of them before the other. What a port was called is remembered for a
 * while, as an input row, so that its endpoints stay until both say the same.
 */
import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { KubernetesServicePort, Service } from "../api/service/schema.ts";
import type { Collection } from "../flow/types.ts";

/** Where slices list a port of a Service that they do not list by its own name. */
export interface OtherName {
  readonly name: string;
  /** Of one slice, which knows the new name first: its pods still serve the old one at this port. */
  readonly at?: { readonly slice: string; readonly port: number };
}

/** By the name that the port has in the Service; the first that a slice lists counts. */
export type OtherNames = Readonly<Record<string, readonly OtherName[]>>;

/** Ports may be called as what every object inherits (`constructor`). */
export function otherNamesOf(held: OtherNames, name: string): readonly OtherName[] {
  return (Object.hasOwn(held, name) ? held[name] : undefined) ?? [];
}

/** An input row. */
export interface HeldPortNames {
  readonly names: OtherNames;
  /** Milliseconds since the epoch: when its writer removes it. */
  readonly until: number;
}

/** By the Service's `namespace/name`. */
export type HeldNames = Collection<HeldPortNames>;

/** How many names of a port are remembered, the newest first. */
const NAMES_MAX = 8;

/**
 * What a changed Service's ports were called before: those that have a new name for the same number,
 * or else for the same target. undefined: no port has a new name.
 */
export function renamedPorts(
  before: Service,
  after: Service,
  held: OtherNames,
): OtherNames | undefined {
  const gone = without(before.spec.ports, after.spec.ports);
  const found = Object.create(null) as Record<string, readonly OtherName[]>;
  for (const port of without(after.spec.ports, before.spec.ports)) {
    const alike = (each: KubernetesServicePort) => each.protocol === port.protocol;
    const old =
      before.spec.ports.find(each => alike(each) && each.port === port.port) ??
      gone.find(each => alike(each) && targetOf(each) === targetOf(port));
    if (old === undefined) continue;
    const others = [
      { name: old.name },
      ...otherNamesOf(held, old.name),
      ...otherNamesOf(held, port.name),
    ];
    found[port.name] = newest(others, port.name);
  }
  if (Object.keys(found).length === 0) return undefined;
  const kept = after.spec.ports.flatMap(({ name }) => {
    const names = found[name] ?? otherNamesOf(held, name);
    return names.length === 0 ? [] : [[name, names] as const];
  });
  return Object.fromEntries(kept);
}

/**
 * What a changed slice calls ports now that its Service calls as the slice did before. undefined: it
 * knows no name that the Service does not know.
 */
export function renamedListings(
  before: EndpointSlice,
  after: EndpointSlice,
  service: Service,
  held: OtherNames,
): OtherNames | undefined {
  const known = new Set(service.spec.ports.map(port => port.name));
  const [ahead] = without(after.ports, before.ports).filter(({ name }) => !known.has(name));
  const gone = without(before.ports, after.ports).filter(({ name }) => known.has(name));
  if (ahead === undefined || gone.length === 0) return undefined;
  const slice = after.metadata.name;
  const found: Record<string, readonly OtherName[]> = { ...held };
  for (const { name, port } of gone) {
    if (port === undefined) continue;
    const other = { name: ahead.name, at: { slice, port } };
    found[name] = newest([other, ...otherNamesOf(held, name)], name);
  }
  return found;
}

function newest(names: readonly OtherName[], own: string): readonly OtherName[] {
  const byText = new Map(names.map(each => [JSON.stringify(each), each]));
  return [...byText.values()].filter(({ name }) => name !== own).slice(0, NAMES_MAX);
}

interface Named {
  readonly name: string;
}

function without<T extends Named>(ports: readonly T[], others: readonly Named[]): readonly T[] {
  return ports.filter(port => others.every(({ name }) => name !== port.name));
}

function targetOf({ targetPort, port }: KubernetesServicePort): number | string {
  return targetPort ?? port;
}

/** What one slice lists. */
export interface Listing<T> {
  /** Its name. */
  readonly slice: string;
  /** By port name. */
  readonly byPort: Readonly<Record<string, readonly T[]>>;
}

/** Endpoints of a port that a slice does not list by its own name. */
export interface HeldListing<T> {
  readonly endpoints: readonly T[];
  /** undefined: at the port that the slice says. */
  readonly port: number | undefined;
}

export function heldListing<T>(
  { slice, byPort }: Listing<T>,
  others: readonly OtherName[],
): HeldListing<T> | undefined {
  for (const { name, at } of others) {
    const endpoints = byPort[name];
    if (endpoints === undefined || (at !== undefined && at.slice !== slice)) continue;
    return { endpoints, port: at?.port };
  }
  return undefined;
}
