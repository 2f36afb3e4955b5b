/**
 * Endpoint assignments (EDS): one cell a service port and subset, whoever asks, but for the IP
 * families that clients have and, where the service says so, where they run.
 */
import { own } from "../../base/own.ts";
import type { CellFamily, Graph } from "../../flow/types.ts";
import { placementUnder } from "../../model/destination-rules.ts";
import type { Model } from "../../model/model.ts";
import { placementOfHost } from "../../model/placed-hosts.ts";
import { placeKey, placeOfKey } from "../../model/placements.ts";
import { portOfNumber } from "../../model/protocol.ts";
import type { ProxyClass } from "../../model/proxies.ts";
import { isByDns } from "../../model/resolution.ts";
import type { Endpoint } from "../../model/types.ts";
import { encodeEndpoints } from "../encode.ts";
import { loadAssignment } from "../endpoint.ts";
import { familiesOf } from "../ip-families.ts";
import { outboundClusterName } from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import {
  detailView,
  isTerse,
  joinKey,
  sameResource,
  splitViewKey,
  type TypeResources,
} from "./family.ts";
import {
  type ClusterTarget,
  type HostTargets,
  parseOutboundName,
  resolveCluster,
} from "./outbound-names.ts";

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
      const { scope, ...seen } = viewOf(view);
      const target = resolveCluster(read, hosts, scope, name);
      // Whose clients go to the address they mean have assignments for gateways.
      if (target === undefined || isByDns(target.resolution)) return undefined;
      return read.cell(assignments, assignmentKey(target, seen));
    },
  );
  return {
    cells,
    names: graph.cells({ name: "EDS names" }, () => NO_NAMES),
    wildcardViews: () => [],
    namedView,
  };
}

/** `families|place|detail|SCOPE`. */
function namedView(proxy: ProxyClass): (name: string) => string {
  const { placed, network, locality, node, ipFamilies, scope } = proxy;
  const detail = detailView(proxy);
  const anywhere = joinKey(ipFamilies, "", detail, scope);
  if (placed.length === 0) return () => anywhere;
  return name => {
    const placement = placementOfHost(placed, parseOutboundName(name)?.hostname ?? "");
    if (placement === undefined) return anywhere;
    return joinKey(ipFamilies, placeKey({ network, node, ...locality }, placement), detail, scope);
  };
}

interface Seen {
  readonly families: string;
  readonly place: string;
  readonly detail: string;
}

function viewOf(view: string): Seen & { readonly scope: string } {
  const [families = "", place = "", detail = "", ...scope] = view.split("|");
  return { families, place, detail, scope: scope.join("|") };
}

/** A subset is a rule's, and a rule may do away with a preference; else no rule matters. */
function assignmentKey(
  { service, port, subset, rule }: ClusterTarget,
  { families, place, detail }: Seen,
): string {
  const ruled = subset === "" && place === "" ? "" : rule;
  return joinKey(service, port, subset, ruled, families, place, detail);
}

function createAssignments(graph: Graph, model: Model): CellFamily<EncodedResource | undefined> {
  const { shapes, placements, endpoints, rules } = model;
  const reads = [shapes, placements, endpoints, rules.subsets, rules.localities];
  return graph.cells<EncodedResource | undefined>(
    { name: "endpoint assignments", reads, equals: sameResource },
    (key, read) => {
      const [
        service = "",
        port = "",
        subset = "",
        rule = "",
        families = "",
        place = "",
        detail = "",
      ] = key.split("|");
      const found = read.get(shapes, service);
      const servicePort = found && portOfNumber(found.ports, Number(port));
      if (found === undefined || servicePort === undefined) return undefined;
      const labels = subset === "" ? {} : own(read.get(rules.subsets, rule), subset);
      if (labels === undefined) return undefined;
      // Who has no place does not have the host: it gets what there is.
      const said = place === "" ? undefined : read.get(placements, service);
      const ruled =
        said === undefined || rule === "" ? undefined : read.get(rules.localities, rule);
      const kind = placementUnder(ruled, subset, servicePort.number, said);
      return encodeEndpoints(
        loadAssignment({
          clusterName: outboundClusterName(servicePort.number, subset, found.hostname),
          endpoints: usable(read.get(endpoints, service)?.byPort[servicePort.name]),
          labels,
          ipFamilies: familiesOf(families),
          terse: isTerse(detail),
          placement: kind && { kind, place: placeOfKey(place) },
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
