/** Findings of ServiceEntries: hosts and ports that another object describes, selectors of nothing. */
import type { ServiceEntry } from "../api/service-entry/schema.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { deepEqual } from "../flow/equal.ts";
import type { Graph, Index, Reader, SelectableIndex } from "../flow/types.ts";
import { type Findings, findingsOf, selectsNothing, warning } from "./finding.ts";
import { firstOf } from "./imports.ts";
import type { Model } from "./model.ts";
import { isSamePort } from "./protocol.ts";
import { type ServiceShape, serviceKey } from "./services.ts";
import { entryPorts, mergedEntries, unlike } from "./services-entries.ts";
import { visibleTo } from "./visibility.ts";
import type { Workload } from "./workloads.ts";

type Sources = Pick<
  Model,
  "services" | "shapes" | "shapesByHostname" | "entriesByService" | "entriesByLabel"
> & { readonly pods: SelectableIndex<Workload> };

export function serviceEntryFindings(
  graph: Graph,
  model: Omit<Model, "findings">,
  pods: SelectableIndex<Workload>,
): Findings {
  const { services, shapes, shapesByHostname, entriesByService, entriesByLabel } = model;
  const sources = { services, shapes, shapesByHostname, entriesByService, entriesByLabel, pods };
  return findingsOf(graph, "ServiceEntry", model.inputs.serviceEntries, {
    reads: Object.values(sources),
    fn: (entry, read) => [
      ...entry.spec.hosts.flatMap((host, i) => hostFindings(entry, host, i, read, sources)),
      ...selectorFindings(entry, read, sources),
    ],
  });
}

function hostFindings(
  entry: ServiceEntry,
  host: string,
  index: number,
  read: Reader,
  sources: Sources,
): readonly Diagnostic[] {
  const { namespace, name } = entry.metadata;
  const path = `spec.hosts[${index}]`;
  const key = serviceKey(namespace, host);
  const source = read.get(sources.services, key)?.source;
  if (source !== undefined && source.kind !== "ServiceEntry")
    return [taken(path, `${host} is described by ${source.kind} ${namespace}/${source.name}`)];
  const groups = mergedEntries(read.rows(sources.entriesByService, key));
  const [first] = groups[0] ?? [];
  const own = groups.find(group => group.some(({ metadata }) => metadata.name === name));
  if (first === undefined || own === undefined) return [];
  if (own !== groups[0]) {
    const fields = unlike(first, entry).join(", ");
    const message = `${host} is described by ServiceEntry ${namespace}/${first.metadata.name}, which is older, and another ${fields} can not be added to it`;
    return [taken(path, message)];
  }
  return [
    ...portFindings(entry, host, own),
    ...elsewhere(read.get(sources.shapes, key), path, read, sources.shapesByHostname),
  ];
}

function taken(path: string, message: string): Diagnostic {
  return warning(path, "HostTaken", message);
}

/** Ports whose number an older entry of the same service has, and means otherwise. */
function portFindings(
  entry: ServiceEntry,
  host: string,
  group: readonly ServiceEntry[],
): readonly Diagnostic[] {
  const { namespace, name } = entry.metadata;
  const older = group.slice(
    0,
    group.findIndex(({ metadata }) => metadata.name === name),
  );
  return entryPorts(entry).flatMap((port, i) => {
    for (const other of older) {
      const same = entryPorts(other).find(each => isSamePort(each, port));
      if (same === undefined) continue;
      if (deepEqual(same, port)) return [];
      const message = `port ${port.number} of ${host} is described by ServiceEntry ${namespace}/${other.metadata.name}, which is older`;
      return [warning(`spec.ports[${i}]`, "PortTaken", message)];
    }
    return [];
  });
}

/** What clients in other namespaces get instead, where both are exported to some. */
function elsewhere(
  own: ServiceShape | undefined,
  path: string,
  read: Reader,
  byHostname: Index<ServiceShape>,
): readonly Diagnostic[] {
  if (own === undefined || own.rivals.length === 0) return [];
  const { hostname, namespace } = own;
  const others = read
    .rows(byHostname, hostname)
    .filter(other => other.namespace !== namespace && meet(own, other));
  const winner = firstOf([own, ...others], SOMEWHERE);
  if (winner === undefined || winner === own) return [];
  const kind = winner.registry === "Kubernetes" ? "a Service" : "a ServiceEntry";
  const message = `for clients of other namespaces ${hostname} is described by ${kind} of namespace ${winner.namespace}, which comes first`;
  return [taken(path, message)];
}

/** As gateways choose: no namespace's own comes first. */
const SOMEWHERE = { namespace: "", forGateways: true };

/** Whether any third namespace sees both. */
function meet(a: ServiceShape, b: ServiceShape): boolean {
  const isThird = (each: string): boolean => each !== a.namespace && each !== b.namespace;
  const { exportTo } = a;
  if (exportTo.kind === "none" || b.exportTo.kind === "none") return false;
  if (exportTo.kind === "namespaces")
    return exportTo.namespaces.some(each => isThird(each) && visibleTo(b.exportTo, each));
  return b.exportTo.kind === "public" || b.exportTo.namespaces.some(isThird);
}

function selectorFindings(
  { spec, metadata }: ServiceEntry,
  read: Reader,
  { pods, entriesByLabel }: Sources,
): readonly Diagnostic[] {
  const labels = spec.workloadSelector?.labels;
  if (labels === undefined) return [];
  const selector = { namespace: metadata.namespace, matchLabels: labels };
  const selected =
    read.select(pods, selector).length + read.select(entriesByLabel, selector).length;
  return selected > 0 ? [] : [selectsNothing("spec.workloadSelector.labels", labels)];
}
