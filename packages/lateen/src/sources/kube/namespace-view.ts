/**
 * Which namespaces the control plane sees: those that one of MeshConfig's `discoverySelectors`
 * selects, all when there are none (Istio, "Discovery selectors"). The root namespace is always seen.
 */
import type { LabelSelector } from "../../api/mesh-config/discovery-selectors.ts";

type Labels = Readonly<Record<string, string>>;

export class NamespaceView {
  readonly #rootNamespace: string;
  readonly #labels = new Map<string, Labels>();
  #selectors: readonly LabelSelector[] = [];

  constructor(rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
  }

  /** "" is what cluster-scoped objects have for a namespace. */
  accepts(namespace: string): boolean {
    if (this.#selectors.length === 0 || namespace === "") return true;
    if (namespace === this.#rootNamespace) return true;
    const labels = this.#labels.get(namespace);
    return labels !== undefined && this.#selectors.some(each => matches(each, labels));
  }

  /** `undefined`: the namespace is gone. Returns the namespaces that came into view or left it. */
  setLabels(namespace: string, labels: Labels | undefined): readonly string[] {
    const before = this.accepts(namespace);
    if (labels === undefined) this.#labels.delete(namespace);
    else this.#labels.set(namespace, labels);
    return this.accepts(namespace) === before ? [] : [namespace];
  }

  /** Returns the namespaces that came into view or left it. */
  setSelectors(selectors: readonly LabelSelector[]): readonly string[] {
    const known = [...this.#labels.keys()];
    const before = new Set(known.filter(name => this.accepts(name)));
    this.#selectors = selectors;
    return known.filter(name => this.accepts(name) !== before.has(name));
  }
}

/** Of one selector all must hold (apimachinery's LabelSelector). An empty one selects everything. */
export function matches(selector: LabelSelector, labels: Labels): boolean {
  const { matchLabels, matchExpressions } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(each => expressionHolds(each, labels))
  );
}

function expressionHolds(
  { key, operator, values }: LabelSelector["matchExpressions"][number],
  labels: Labels,
): boolean {
  const has = Object.hasOwn(labels, key);
  const among = has && values.includes(labels[key] ?? "");
  switch (operator) {
    case "In":
      return among;
    case "NotIn":
      return !among;
    case "Exists":
      return has;
    case "DoesNotExist":
      return !has;
  }
}
