/** The orders in which Istio takes objects that claim the same thing: the older one first. */

export interface Aged {
  readonly creationTimestamp: string;
  readonly name: string;
  readonly namespace: string;
}

/** By creation, then name, then namespace. RFC 3339 times of one zone compare as text. */
export function byAge(a: Aged, b: Aged): number {
  return (
    compare(a.creationTimestamp, b.creationTimestamp) ||
    compare(a.name, b.name) ||
    compare(a.namespace, b.namespace)
  );
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
