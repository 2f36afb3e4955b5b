/** Who may see an object (`exportTo`). */
import type { Visibility } from "./types.ts";

const PUBLIC: Visibility = { kind: "public" };

/** `*` everyone, `.` the own namespace, `~` nobody, else names of namespaces; empty: everyone. */
export function visibilityOf(exportTo: readonly string[], namespace: string): Visibility {
  if (exportTo.length === 0 || exportTo.includes("*")) return PUBLIC;
  if (exportTo.includes("~")) return { kind: "none" };
  const namespaces = new Set(exportTo.map(name => (name === "." ? namespace : name)));
  return { kind: "namespaces", namespaces: [...namespaces].sort() };
}

export function visibleTo(visibility: Visibility, namespace: string): boolean {
  if (visibility.kind === "public") return true;
  return visibility.kind === "namespaces" && visibility.namespaces.includes(namespace);
}

/** Bucket names of an index by who may see a row; read `bucketsFor` the reader's namespace. */
export function visibilityBuckets(visibility: Visibility): readonly string[] {
  if (visibility.kind === "public") return [EVERYONE];
  return visibility.kind === "none" ? [] : visibility.namespaces;
}

/** No namespace is called so. */
export const EVERYONE = "*";
