/** What a stream has to hear of about its own proxy: a change asks those it is about, not all. */
import type { Pod } from "../api/pod/schema.ts";
import type { CellFamily, Collection, Graph } from "../flow/types.ts";
import type { ProxyClass, ProxyRow } from "./proxies.ts";

export interface Connected {
  /** By the key of the proxy's input row; undefined: there is no such proxy (any more). */
  readonly classes: CellFamily<ProxyClass | undefined>;
  /** uid by `namespace/name`; undefined: there is no such Pod. */
  readonly podUids: CellFamily<string | undefined>;
}

export function createConnected(
  graph: Graph,
  rows: Collection<ProxyRow>,
  pods: Collection<Pod>,
): Connected {
  const sameClass = (a?: ProxyClass, b?: ProxyClass): boolean => a?.key === b?.key;
  return {
    classes: graph.cells<ProxyClass | undefined>(
      { name: "classes of connected proxies", reads: [rows], equals: sameClass },
      (key, read) => read.get(rows, key)?.class,
    ),
    podUids: graph.cells<string | undefined>(
      { name: "pods of connected proxies", reads: [pods] },
      (key, read) => read.get(pods, key)?.metadata.uid,
    ),
  };
}
