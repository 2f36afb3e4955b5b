/**
 * Which namespaces the control plane sees: those that one of MeshConfig's `discoverySelectors`
 * selects, all when there are none (Istio, "Discovery selectors"). The root namespace is always seen.
 */
import { type LabelSelector, selects } from "../../api/label-selector.ts";

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
    return labels !== undefined && this.#selectors.some(each => selects(each, labels));
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
