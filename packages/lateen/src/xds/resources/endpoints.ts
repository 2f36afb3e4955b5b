/** Endpoint assignments (EDS): one cell a service port and subset, whoever asks. */
import type { CellFamily, Graph } from "../../flow/types.ts";
import type { Model } from "../../model/model.ts";
import type { Endpoint } from "../../model/types.ts";
import { encodeEndpoints } from "../encode.ts";
import { loadAssignment } from "../endpoint.ts";
import { outboundClusterName } from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import { joinKey, sameResource, splitViewKey, type TypeResources } from "./family.ts";
import { type ClusterTarget, type HostTargets, resolveCluster } from "./outbound-names.ts";

const NO_NAMES: readonly string[] = Object.freeze([]);

export function createEndpointResources(
  graph: Graph,
  model: Model,
  hosts: HostTargets,
): TypeResources {
  const assignments = createAssignments(graph, model);
  const cells = graph.cells<EncodedResource | undefined>(
    { name: "EDS by view", reads: [hosts, assignments], equals: sameResource },
    (key, read) => {
      const { view, name } = splitViewKey(key);
      const target = resolveCluster(read, hosts, view, name);
      if (target === undefined || target.resolution !== "ClientSideLB") return undefined;
      return read.cell(assignments, assignmentKey(target));
    },
  );
  return {
    cells,
    names: graph.cells({ name: "EDS names" }, () => NO_NAMES),
    wildcardViews: () => [],
    namedView: proxy => proxy.scope,
  };
}

/** A subset is a rule's; without one, no rule matters. */
function assignmentKey({ service, port, subset, rule }: ClusterTarget): string {
  return joinKey(service, port, subset, subset === "" ? "" : rule);
}

function createAssignments(graph: Graph, model: Model): CellFamily<EncodedResource | undefined> {
  const { shapes, endpoints, rules } = model;
  const reads = [shapes, endpoints, rules.subsets];
  return graph.cells<EncodedResource | undefined>(
    { name: "endpoint assignments", reads, equals: sameResource },
    (key, read) => {
      const [service = "", port = "", subset = "", rule = ""] = key.split("|");
      const found = read.get(shapes, service);
      const servicePort = found?.ports.find(each => each.number === Number(port));
      if (found === undefined || servicePort === undefined) return undefined;
      const labels = rule === "" ? {} : read.get(rules.subsets, rule)?.[subset];
      if (labels === undefined) return undefined;
      return encodeEndpoints(
        loadAssignment({
          clusterName: outboundClusterName(servicePort.number, subset, found.hostname),
          endpoints: usable(read.get(endpoints, service)?.byPort[servicePort.name]),
          labels,
        }),
      );
    },
  );
}

/**
 * Istio sends endpoints that are not ready or that are leaving only where a policy asks for them;
 * without one, whoever is in the list gets requests.
 */
export function usable(endpoints: readonly Endpoint[] | undefined): readonly Endpoint[] {
  return (endpoints ?? []).filter(({ health }) => health === "HEALTHY" || health === "UNKNOWN");
}
