/**
 * How a type of resources is offered: shared cells, and for each view of a proxy the names it has.
 * A *view* is the part of a proxy class that the names and their content depend on.
 */
import type { CellFamily } from "../../flow/types.ts";
import type { ProxyClass } from "../../model/proxies.ts";
import type { MetricsForm } from "../../model/types.ts";
import type { EncodedResource } from "../resource.ts";

export interface TypeResources {
  /** Key: `viewKey`. undefined: there is no such resource for this view. */
  readonly cells: CellFamily<EncodedResource | undefined>;
  /** Names that a wildcard subscription has, ascending. Key: a view. */
  readonly names: CellFamily<readonly string[]>;
  /** A wildcard subscription of a proxy is made of these; empty: the type has no wildcard. */
  wildcardViews(proxy: ProxyClass): readonly string[];
  /** Tells the view that a name which the proxy asks for is seen by: thousands of names at a time. */
  namedView(proxy: ProxyClass): (name: string) => string;
}

/**
 * Key of the cell for `name` as `view` sees it. What a view says after a tab concerns its list of
 * names only, and proxies that differ in nothing else share the cells.
 */
export function viewKey(view: string, name: string): string {
  const tab = view.indexOf("\t");
  return `${tab < 0 ? view : view.slice(0, tab)}\n${name}`;
}

export function splitViewKey(key: string): { readonly view: string; readonly name: string } {
  const end = key.indexOf("\n");
  return { view: key.slice(0, end), name: key.slice(end + 1) };
}

/**
 * The part of a view of clusters and endpoints that says how much of them is written out. Proxies that can
 * read little get what they always got, so that nothing of theirs is sent again when we learn to say less.
 */
export function detailView({ metrics }: Pick<ProxyClass, "metrics">): string {
  return metrics === "full" ? FULL : "";
}

export function isTerse(part: string): boolean {
  return part !== FULL;
}

const FULL = "full";

/** From the part of a view of listeners. */
export function metricsFormOf(part: string): MetricsForm {
  return part === "compact" || part === "live" ? part : "full";
}

/** Keys are made of parts that never hold a `|`: names of namespaces, objects, hosts and ports. */
export function joinKey(...parts: readonly (string | number)[]): string {
  return parts.join("|");
}

/** Two encodings of the same content are the same resource. */
export function sameResource(
  a: EncodedResource | undefined,
  b: EncodedResource | undefined,
): boolean {
  return a?.version === b?.version && a?.name === b?.name;
}
