/**
 * What is wrong with objects that are each fine by themselves: references to what is not there,
 * selectors that select nothing, claims that another object has. Rows by object; an object without
 * findings has none. Reasons are the names of Istio's analysis messages, where it has one.
 */
import type { ServiceEntry } from "../api/service-entry/schema.ts";
import type { Sidecar } from "../api/sidecar/schema.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { Graph, Index, Reader, SelectableIndex } from "../flow/types.ts";
import { type Findings, findingsOf, selectsNothing, warning } from "./finding.ts";
import { ruleFindings } from "./findings-destination-rule.ts";
import { createRejectedServers, gatewayFindings } from "./findings-gateway.ts";
import { ingressFindings } from "./findings-ingress.ts";
import { virtualServiceFindings } from "./findings-virtual-service.ts";
import type { Model } from "./model.ts";
import { byAge } from "./order.ts";
import { serviceKey } from "./services.ts";
import type { Workload } from "./workloads.ts";

export function createFindings(
  graph: Graph,
  model: Omit<Model, "findings">,
  pods: SelectableIndex<Workload>,
): Findings {
  const { inputs, shapes } = model;
  const sidecars = graph.index(inputs.sidecars, "namespace-wide Sidecars", (_key, sidecar) =>
    sidecar.spec.workloadSelector === undefined ? [sidecar.metadata.namespace] : [],
  );
  const rejected = createRejectedServers(graph, model.gateways);
  return graph.union("findings", [
    virtualServiceFindings(graph, model),
    ruleFindings(graph, model),
    gatewayFindings(graph, model, pods, rejected),
    ingressFindings(graph, model, pods, rejected),
    findingsOf(graph, "ServiceEntry", inputs.serviceEntries, {
      reads: [model.services, shapes, pods, model.entriesByLabel],
      fn: (entry, read) => entryFindings(entry, read, model, pods),
    }),
    findingsOf(graph, "Sidecar", inputs.sidecars, {
      reads: [pods, sidecars],
      fn: (sidecar, read) => sidecarFindings(sidecar, read, pods, sidecars),
    }),
  ]);
}

function entryFindings(
  entry: ServiceEntry,
  read: Reader,
  model: Omit<Model, "findings">,
  pods: SelectableIndex<Workload>,
): readonly Diagnostic[] {
  const { spec, metadata } = entry;
  const { namespace } = metadata;
  const found: Diagnostic[] = [];
  spec.hosts.forEach((host, i) => {
    const row = read.get(model.services, serviceKey(namespace, host));
    const { source } = row ?? {};
    if (source === undefined || (source.kind === "ServiceEntry" && source.name === metadata.name))
      return;
    const owner = `${source.kind} ${source.namespace}/${source.name}`;
    found.push(warning(`spec.hosts[${i}]`, "HostTaken", `${host} is described by ${owner}`));
  });
  const labels = spec.workloadSelector?.labels;
  if (labels === undefined) return found;
  const selector = { namespace, matchLabels: labels };
  const selected =
    read.select(pods, selector).length + read.select(model.entriesByLabel, selector).length;
  if (selected === 0) found.push(selectsNothing("spec.workloadSelector.labels", labels));
  return found;
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
