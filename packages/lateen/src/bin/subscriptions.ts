/** Which watch set answers which subscription: the one place that knows both types and views. */

import { own } from "../base/own.ts";
import type { CellFamily } from "../flow/types.ts";
import { createWatchSets } from "../flow/watch.ts";
import { joinWatchSets } from "../flow/watch-joined.ts";
import type { WatchSet, WatchSets } from "../flow/watch-types.ts";
import type { ProxyClass } from "../model/proxies.ts";
import { type EncodedResource, TypeUrl } from "../xds/resource.ts";
import { type TypeResources, viewKey } from "../xds/resources/family.ts";

type ResourceSet = WatchSet<EncodedResource | undefined>;
type ResourceSets = WatchSets<EncodedResource | undefined>;

export interface Subscriptions {
  wildcard(type: string, proxy: ProxyClass): ResourceSet | undefined;
  named(type: string, proxy: ProxyClass, names: readonly string[]): ResourceSet;
  /** Secrets of one identity; the names have been checked. */
  secrets(identity: string, names: readonly string[]): ResourceSet;
  /**
   * How many resources the lists of such proxies have, over all types; undefined while none of them
   * follows its list of clusters.
   */
  listed(proxy: ProxyClass): number | undefined;
  /** Sets that streams hold. */
  readonly liveCount: number;
}

export function createSubscriptions(
  resources: Readonly<Partial<Record<string, TypeResources>>>,
  secretCells: CellFamily<EncodedResource | undefined>,
): Subscriptions {
  const sets = new Map<string, ResourceSets>();
  for (const [type, { cells, names }] of entries(resources)) {
    sets.set(type, createWatchSets({ cells, names, cellKey: viewKey }));
  }
  const secretSets = createWatchSets({ cells: secretCells, cellKey: viewKey });
  const unknown = (names: readonly string[]): ResourceSet =>
    // A type without resources: every name resolves to a secret that nobody has.
    secretSets.explicit("", names);
  return {
    wildcard(type, proxy) {
      const views = own(resources, type)?.wildcardViews(proxy) ?? [];
      const of = sets.get(type);
      if (of === undefined || views.length === 0) return undefined;
      return joinWatchSets(views.map(view => of.following(view, view)));
    },
    named(type, proxy, names) {
      const of = sets.get(type);
      const family = own(resources, type);
      if (of === undefined || family === undefined || names.length === 0) return unknown(names);
      const byView = byViewOf(names, family.namedView(proxy));
      return joinWatchSets([...byView].map(([view, some]) => of.explicit(view, some)));
    },
    secrets: (identity, names) => secretSets.explicit(identity, names),
    listed(proxy) {
      let sum: number | undefined;
      // Clusters come first in TypeUrl.
      for (const [type, { names, wildcardViews }] of entries(resources))
        for (const view of wildcardViews(proxy)) {
          const listed = names.peek(view)?.value().length;
          if (listed !== undefined && (sum !== undefined || type === TypeUrl.cluster))
            sum = (sum ?? 0) + listed;
        }
      return sum;
    },
    get liveCount() {
      return [secretSets, ...sets.values()].reduce((sum, each) => sum + each.liveCount, 0);
    },
  };
}

/** The list itself where all have one view, as nearly always: it is known by then what set it is. */
function byViewOf(
  names: readonly string[],
  viewOf: (name: string) => string,
): ReadonlyMap<string, readonly string[]> {
  const first = viewOf(names[0] ?? "");
  if (names.every(name => viewOf(name) === first)) return new Map([[first, names]]);
  return Map.groupBy(names, viewOf);
}

function entries(
  resources: Readonly<Partial<Record<string, TypeResources>>>,
): (readonly [string, TypeResources])[] {
  return Object.values(TypeUrl).flatMap(type => {
    const family = resources[type];
    return family === undefined ? [] : [[type, family] as const];
  });
}
