/** Clusters from a sidecar to its own application. */
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
} from "@lateen/envoy-api/envoy/config/cluster/v3/cluster.js";
import type { IpFamilies } from "../model/proxies.ts";
import type { ObjectRef, Protocol, Service } from "../model/types.ts";
import { httpProtocol, protocolOptions, serviceMetadata, UNLIMITED } from "./cluster.ts";
import { inboundBind } from "./ip-families.ts";
import { filterMetadata, seconds, socketAddress } from "./message.ts";
import { configPath, inboundClusterName, METADATA_NAMESPACE, statName } from "./names.ts";

export interface InboundClusterInput {
  /** The port that the application listens on (of a Sidecar ingress: the port it declares). */
  readonly targetPort: number;
  readonly protocol: Protocol;
  /** The services that reach the application by this port; metrics go to the first. */
  readonly services: readonly Service[];
  /** The DestinationRule that holds for the first of them. */
  readonly destinationRule?: ObjectRef | undefined;
  /** `127.0.0.1:8080` of a Sidecar ingress; undefined: the address that the client asked for. */
  readonly defaultEndpoint: { readonly address: string; readonly port: number } | undefined;
  readonly ipFamilies: IpFamilies;
  /** Without what only the full form of metrics reads, and without what Envoy does anyway. */
  readonly terse: boolean;
}

export function inboundCluster(input: InboundClusterInput): Cluster {
  const name = inboundClusterName(input.targetPort);
  return {
    name,
    altStatName: statName(name),
    connectTimeout: seconds(10),
    circuitBreakers: UNLIMITED,
    commonLbConfig: {},
    typedExtensionProtocolOptions: protocolOptions(httpProtocol(input.protocol)),
    metadata: inboundMetadata(input),
    ...destination(name, input),
  };
}

function destination(name: string, input: InboundClusterInput): Partial<Cluster> {
  const endpoint = input.defaultEndpoint;
  if (endpoint === undefined)
    return { ...APPLICATION, upstreamBindConfig: inboundBind(input.ipFamilies) };
  const address = socketAddress(endpoint.address, endpoint.port);
  return {
    type: Cluster_DiscoveryType.STATIC,
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }],
    },
  };
}

/** The one endpoint is the pod itself: never clean it up. */
const APPLICATION: Partial<Cluster> = {
  type: Cluster_DiscoveryType.ORIGINAL_DST,
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
  cleanupInterval: seconds(9_223_372_035),
};

function inboundMetadata(input: InboundClusterInput): Cluster["metadata"] {
  const { services, destinationRule } = input;
  const [first] = services;
  if (first === undefined) return undefined;
  const config = destinationRule === undefined ? {} : { config: configPath(destinationRule) };
  return filterMetadata({
    istio: { ...config, services: services.map(serviceMetadata) },
    [METADATA_NAMESPACE]: input.terse ? undefined : serviceMetadata(first),
  });
}
