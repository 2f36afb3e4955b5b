/** Everything that is to be said about one object, from decoding, from the model and from Envoy. */
import type { Diagnostic } from "../base/diagnostic.ts";
import type { CellFamily, Collection, Graph } from "../flow/types.ts";
import type { Findings } from "../model/finding.ts";
import { type MeshNames, meshNames } from "../model/mesh.ts";
import type { ObjectDiagnostics } from "../sources/input-writer.ts";
import { weigh } from "./evidence.ts";

/** Configuration that proxies refused, as one object's doing. */
export interface Rejection {
  /** `CDS`, `RDS`, ... */
  readonly type: string;
  /** Name of the resource. */
  readonly resource: string;
  /** Envoy's own words. */
  readonly message: string;
  readonly proxies: number;
  /** One of them, `name.namespace`. */
  readonly proxy: string;
  /** Of the identities that they have shown, ascending; none where they have shown none. */
  readonly namespaces: readonly string[];
}

export interface ObjectReport {
  /** False: the object has errors, and its last good state (if any) is in force. */
  readonly accepted: boolean;
  readonly diagnostics: readonly Diagnostic[];
  /** For which there is good evidence (evidence.ts). */
  readonly rejections: readonly Rejection[];
  /** For which there is but the word of others' proxies. */
  readonly disputes: readonly Rejection[];
}

/** All by `objectName`. */
export interface ReportSources {
  readonly diagnostics: Collection<ObjectDiagnostics>;
  readonly findings: Findings;
  readonly rejections: Collection<readonly Rejection[]>;
  /** What other replicas of the control plane have heard from their proxies. */
  readonly rejectedElsewhere: Collection<readonly Rejection[]>;
  readonly names: Collection<MeshNames>;
}

export interface Reports {
  readonly cells: CellFamily<ObjectReport | undefined>;
  /** Objects that there is something to say about. Key: `ALL`. */
  readonly names: CellFamily<readonly string[]>;
}

export const ALL = "all";

export function createReports(graph: Graph, sources: ReportSources): Reports {
  const { diagnostics, findings, rejections, rejectedElsewhere, names: meshRow } = sources;
  const reads = [diagnostics, findings, rejections, rejectedElsewhere];
  const cells = graph.cells<ObjectReport | undefined>(
    { name: "reports about objects", reads: [...reads, meshRow] },
    (key, read) => {
      const decoded = read.get(diagnostics, key);
      const found = read.get(findings, key) ?? [];
      const heard = [rejections, rejectedElsewhere].map(each => read.get(each, key) ?? []);
      const rejected = mergeRejections(heard);
      if (decoded === undefined && found.length + rejected.length === 0) return undefined;
      const { rootNamespace } = meshNames(read, meshRow);
      const { namespace } = splitReportKey(key);
      const { confirmed, disputed } = weigh(rejected, namespace, rootNamespace);
      return {
        accepted: decoded?.accepted ?? true,
        diagnostics: [...(decoded?.diagnostics ?? []), ...found],
        rejections: confirmed,
        disputes: disputed,
      };
    },
  );
  const names = graph.cells<readonly string[]>(
    { name: "objects with reports", reads },
    (_key, read) => [...new Set(reads.flatMap(each => read.keys(each)))].sort(),
  );
  return { cells, names };
}

/** The parts of an `objectName`; a name (of a file) may hold slashes itself. */
export function splitReportKey(key: string): {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
} {
  const first = key.indexOf("/");
  const second = key.indexOf("/", first + 1);
  const [kind = "", ...group] = key.slice(0, first).split(".");
  return {
    group: group.join("."),
    kind,
    namespace: key.slice(first + 1, second),
    name: key.slice(second + 1),
  };
}

/** Of several sources, as one list: the same words about the same resource are one rejection. */
export function mergeRejections(lists: Iterable<readonly Rejection[]>): readonly Rejection[] {
  const merged = new Map<string, Rejection>();
  for (const list of lists)
    for (const each of list) {
      const id = JSON.stringify([each.type, each.resource, each.message]);
      const before = merged.get(id);
      merged.set(id, before === undefined ? each : joined(before, each));
    }
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** The same words about the same resource, from more proxies. */
export function joined(a: Rejection, b: Rejection): Rejection {
  const namespaces = new Set([...a.namespaces, ...b.namespaces]);
  return {
    ...a,
    proxies: a.proxies + b.proxies,
    proxy: a.proxy < b.proxy ? a.proxy : b.proxy,
    namespaces: [...namespaces].sort().slice(0, MAX_NAMESPACES),
  };
}

/** More of them tell nothing more. */
export const MAX_NAMESPACES = 8;
