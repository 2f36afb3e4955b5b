/** `proxy-config ecds` and `proxy-config eds`: what Envoy has by ECDS and by EDS. */
import { compareText } from "../../base/compare.ts";
import { renderTable } from "../tabwriter.ts";
import type {
  ExtensionConfig,
  LbEndpoint,
  LoadAssignment,
  LocalityEndpoints,
} from "./config-dump.ts";
import type { EndpointFilter } from "./endpoints.ts";

export function extensionTable(extensions: readonly ExtensionConfig[]): string {
  const rows = extensions.map(({ name = "", typed_config }) => [
    name,
    typed_config?.["@type"] ?? "",
  ]);
  return renderTable([["ECDS NAME", "TYPE"], ...rows], { padding: 5 });
}

/** With the endpoints that the filter lets through, by the names of the clusters. */
export function selectAssignments(
  assignments: readonly LoadAssignment[],
  filter: EndpointFilter,
): LoadAssignment[] {
  return assignments
    .filter(
      ({ cluster_name = "" }) => filter.cluster === undefined || same(cluster_name, filter.cluster),
    )
    .map(each => ({
      ...each,
      endpoints: (each.endpoints ?? [])
        .map(place => ({
          ...place,
          lb_endpoints: (place.lb_endpoints ?? []).filter(endpoint => matches(endpoint, filter)),
        }))
        .filter(place => place.lb_endpoints.length > 0),
    }))
    .filter(each => each.endpoints.length > 0)
    .sort((a, b) => compareText(a.cluster_name ?? "", b.cluster_name ?? ""));
}

export function assignmentTable(assignments: readonly LoadAssignment[]): string {
  const rows = assignments.flatMap(({ cluster_name = "", endpoints = [] }) =>
    endpoints.flatMap(place =>
      (place.lb_endpoints ?? []).map(endpoint => [
        nameOf(endpoint),
        endpoint.health_status ?? "UNKNOWN",
        localityOf(place),
        cluster_name,
      ]),
    ),
  );
  return renderTable([["NAME", "STATUS", "LOCALITY", "CLUSTER"], ...rows], { padding: 5 });
}

function localityOf({ locality }: LocalityEndpoints): string {
  const { region = "", zone = "", sub_zone = "" } = locality ?? {};
  return [region, zone, sub_zone].filter(part => part !== "").join("/");
}

function nameOf({ endpoint }: LbEndpoint): string {
  const { socket_address: socket, pipe, envoy_internal_address } = endpoint?.address ?? {};
  if (socket !== undefined) return `${socket.address}:${socket.port_value}`;
  return pipe?.path ?? envoy_internal_address?.server_listener_name ?? "unknown";
}

function matches(endpoint: LbEndpoint, { address, port, status }: EndpointFilter): boolean {
  const socket = endpoint.endpoint?.address?.socket_address;
  return (
    (address === undefined || same(socket?.address ?? nameOf(endpoint), address)) &&
    (port === undefined || socket?.port_value === port) &&
    (status === undefined || same(endpoint.health_status ?? "UNKNOWN", status))
  );
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
