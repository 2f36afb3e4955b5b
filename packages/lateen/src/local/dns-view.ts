import type { EndpointSlice } from "../api/endpoint-slice/kind.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Service } from "../api/service/schema.ts";
import type { DnsView, NamedService } from "./dns-answers.ts";
import type { ObjectCache } from "./object-cache.ts";
import { endpointsOf } from "./service-view.ts";

/** The names of what is in the store. */
export function dnsView(
  domain: string,
  services: ObjectCache<Service>,
  slices: ObjectCache<EndpointSlice>,
  pods: ObjectCache<Pod>,
): DnsView {
  return {
    domain,
    service: (namespace, name) => {
      const service = services.get(namespace, name);
      return service === undefined ? undefined : namedService(service);
    },
    endpoints: (namespace, name) => {
      const service = services.get(namespace, name);
      return service === undefined ? [] : endpointsOf(service, slices);
    },
    nameOf: address => {
      const service = services.all().find(({ spec }) => spec.clusterIP === address);
      if (service !== undefined)
        return `${service.metadata.name}.${service.metadata.namespace}.svc.${domain}`;
      const pod = pods.all().find(({ status }) => status.podIP === address);
      if (pod === undefined) return undefined;
      return `${address.replaceAll(".", "-")}.${pod.metadata.namespace}.pod.${domain}`;
    },
  };
}

function namedService({ metadata, spec }: Service): NamedService {
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    clusterIp: spec.clusterIP ?? "",
    externalName: spec.type === "ExternalName" ? spec.externalName : undefined,
    publishNotReady: spec.publishNotReadyAddresses,
    ports: spec.ports,
  };
}
