/** All types of resources that proxies subscribe to, over one model. */
import type { Graph } from "../../flow/types.ts";
import type { Model } from "../../model/model.ts";
import { TypeUrl } from "../resource.ts";
import { createClusterResources } from "./clusters.ts";
import { createEndpointResources } from "./endpoints.ts";
import type { TypeResources } from "./family.ts";
import { createResolver, createTargets } from "./outbound-names.ts";

export type Resources = Readonly<Record<Exclude<TypeUrl, typeof TypeUrl.secret>, TypeResources>>;

export function createResources(graph: Graph, model: Model) {
  const targets = createTargets(graph, createResolver(model));
  return {
    [TypeUrl.cluster]: createClusterResources(graph, model, targets),
    [TypeUrl.endpoint]: createEndpointResources(graph, model, targets),
  };
}
