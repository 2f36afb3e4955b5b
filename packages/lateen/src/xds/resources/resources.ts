/** All types of resources that proxies subscribe to, over one model. */
import type { Graph } from "../../flow/types.ts";
import type { Model } from "../../model/model.ts";
import { TypeUrl } from "../resource.ts";
import { createClusterResources } from "./clusters.ts";
import { createEndpointResources } from "./endpoints.ts";
import type { TypeResources } from "./family.ts";
import { createMergedGateways } from "./gateways.ts";
import { createListenerResources } from "./listeners.ts";
import { createHostTargets } from "./outbound-names.ts";
import { createRouteResources } from "./routes.ts";

export type Resources = Readonly<Record<Exclude<TypeUrl, typeof TypeUrl.secret>, TypeResources>>;

export function createResources(graph: Graph, model: Model): Resources {
  const hosts = createHostTargets(graph, model);
  const gateways = createMergedGateways(graph, model);
  const { routes, virtualHosts } = createRouteResources(graph, model, gateways);
  return {
    [TypeUrl.cluster]: createClusterResources(graph, model, hosts),
    [TypeUrl.endpoint]: createEndpointResources(graph, model, hosts),
    [TypeUrl.listener]: createListenerResources(graph, model, gateways),
    [TypeUrl.route]: routes,
    [TypeUrl.virtualHost]: virtualHosts,
  };
}
