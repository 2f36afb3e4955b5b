import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { Service } from "../api/service/schema.ts";
import type { ObjectCache } from "./object-cache.ts";
import { externalAddress } from "./service-addresses.ts";
import type { ServiceRule } from "./service-rules.ts";
import { SERVICE_LABEL } from "./slice-plan.ts";

/** An endpoint of a service, over all its slices. */
export interface ServiceEndpoint {
  readonly address: string;
  readonly hostname: string | undefined;
  readonly ready: boolean;
  /** Not ready only because it is on its way out. */
  readonly draining: boolean;
  readonly ports: readonly { readonly name: string; readonly port: number }[];
}

export function endpointsOf(
  service: Service,
  slices: ObjectCache<EndpointSlice>,
): readonly ServiceEndpoint[] {
  const { namespace, name } = service.metadata;
  return slices
    .inNamespace(namespace)
    .filter(slice => slice.metadata.labels[SERVICE_LABEL] === name)
    .flatMap(slice =>
      slice.endpoints.flatMap(endpoint =>
        endpoint.addresses.map(address => ({
          address,
          hostname: endpoint.hostname,
          ready: endpoint.conditions.ready ?? true,
          draining:
            endpoint.conditions.serving === true && endpoint.conditions.terminating === true,
          ports: slice.ports.flatMap(({ name: portName, port }) =>
            port === undefined ? [] : [{ name: portName, port }],
          ),
        })),
      ),
    );
}

/** Ready endpoints; where there are none, those that still serve while they end. */
function usableEndpoints(endpoints: readonly ServiceEndpoint[]): readonly ServiceEndpoint[] {
  const ready = endpoints.filter(endpoint => endpoint.ready);
  return ready.length > 0 ? ready : endpoints.filter(endpoint => endpoint.draining);
}

/** The node's rules for a service: its cluster IP, its load-balancer and external addresses. */
export function rulesOf(service: Service, slices: ObjectCache<EndpointSlice>): ServiceRule[] {
  const { clusterIP = "", ports, type } = service.spec;
  if (clusterIP === "" || clusterIP === "None" || type === "ExternalName") return [];
  const addresses = [clusterIP, externalAddress(service)].filter(address => address !== "");
  const usable = usableEndpoints(endpointsOf(service, slices));
  return ports.flatMap(port => {
    if (port.protocol === "SCTP") return [];
    const protocol = port.protocol === "UDP" ? "udp" : "tcp";
    const endpoints = usable.flatMap(({ address, ports: own }) =>
      own.filter(({ name }) => name === port.name).map(found => ({ address, port: found.port })),
    );
    return addresses.map(
      (address): ServiceRule => ({ address, protocol, port: port.port, endpoints }),
    );
  });
}
