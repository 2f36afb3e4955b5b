/**
 * What is wrong with objects that are each fine by themselves: references to what is not there,
 * selectors that select nothing, claims that another object has. Rows by object; an object without
 * findings has none. Reasons are the names of Istio's analysis messages, where it has one.
 */
import type { Sidecar } from "../api/sidecar/schema.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { Graph, Index, Reader, SelectableIndex } from "../flow/types.ts";
import { type Findings, findingsOf, selectsNothing, warning } from "./finding.ts";
import { ruleFindings } from "./findings-destination-rule.ts";
import { createRejectedServers, gatewayFindings } from "./findings-gateway.ts";
import { ingressFindings } from "./findings-ingress.ts";
import { serviceEntryFindings } from "./findings-service-entry.ts";
import { virtualServiceFindings } from "./findings-virtual-service.ts";
import type { Model } from "./model.ts";
import { byAge } from "./order.ts";
import type { Workload } from "./workloads.ts";

export function createFindings(
  graph: Graph,
  model: Omit<Model, "findings">,
  pods: SelectableIndex<Workload>,
): Findings {
  const { inputs } = model;
  const sidecars = graph.index(inputs.sidecars, "namespace-wide Sidecars", (_key, sidecar) =>
    sidecar.spec.workloadSelector === undefined ? [sidecar.metadata.namespace] : [],
  );
  const rejected = createRejectedServers(graph, model.gateways);
  return graph.union("findings", [
    virtualServiceFindings(graph, model),
    ruleFindings(graph, model),
    gatewayFindings(graph, model, pods, rejected),
    ingressFindings(graph, model, pods, rejected),
    serviceEntryFindings(graph, model, pods),
    findingsOf(graph, "Sidecar", inputs.sidecars, {
      reads: [pods, sidecars],
      fn: (sidecar, read) => sidecarFindings(sidecar, read, pods, sidecars),
    }),
  ]);
}

function sidecarFindings(
  sidecar: Sidecar,
  read: Reader,
  pods: SelectableIndex<Workload>,
  wide: Index<Sidecar>,
): readonly Diagnostic[] {
  const { metadata, spec } = sidecar;
  const { namespace } = metadata;
  if (spec.workloadSelector !== undefined) {
    const { labels } = spec.workloadSelector;
    if (read.select(pods, { namespace, matchLabels: labels }).length > 0) return [];
    return [selectsNothing("spec.workloadSelector.labels", labels)];
  }
  const [first] = [...read.rows(wide, namespace)].sort((a, b) => byAge(a.metadata, b.metadata));
  if (first === undefined || first.metadata.name === metadata.name) return [];
  const message = `Sidecar ${namespace}/${first.metadata.name} is older and holds for the namespace`;
  return [warning("", "MultipleSidecarsWithoutWorkloadSelectors", message)];
}
