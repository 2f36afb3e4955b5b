/** How findings are made and kept: rows by object. */
import type { ObjectMeta } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { objectName } from "../base/object-name.ts";
import type { Collection, Graph, Reader } from "../flow/types.ts";

/** Key: `findingsKey`. */
export type Findings = Collection<readonly Diagnostic[]>;

const ISTIO = "networking.istio.io";

/** `objectName` of an object, of Istio's networking API where no other group is given. */
export function findingsKey(
  kind: string,
  meta: Pick<ObjectMeta, "namespace" | "name">,
  group: string = ISTIO,
): string {
  return objectName({ group, kind }, meta.namespace, meta.name);
}

interface Finder<T> {
  /** Istio's networking API where not given. */
  readonly group?: string;
  readonly reads: NonNullable<Parameters<Graph["derive"]>[1]["reads"]>;
  fn(object: T, read: Reader): readonly Diagnostic[];
}

/** Findings of one kind, under keys that kinds do not share. */
export function findingsOf<T extends { readonly metadata: ObjectMeta }>(
  graph: Graph,
  kind: string,
  objects: Collection<T>,
  { group, reads, fn }: Finder<T>,
): Findings {
  return graph.deriveMany<T, readonly Diagnostic[]>(
    objects,
    { name: `findings of ${kind}`, reads },
    (_key, object, read) => {
      const found = fn(object, read);
      return found.length === 0 ? [] : [[findingsKey(kind, object.metadata, group), found]];
    },
  );
}

export function warning(path: string, reason: string, message: string): Diagnostic {
  return { severity: "warning", path, reason, message };
}

export function selectsNothing(path: string, labels: Readonly<Record<string, string>>): Diagnostic {
  const shown = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const text = shown.length === 0 ? "any labels" : shown.join(",");
  return warning(path, "NoMatchingWorkloadsFound", `found no pod with ${text}`);
}
