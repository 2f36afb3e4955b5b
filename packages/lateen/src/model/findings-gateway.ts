/** Findings about Gateways: selectors that select nothing, servers that others shut out. */
import type { Gateway } from "../api/gateway/schema.ts";
import type { Graph, SelectableIndex } from "../flow/types.ts";
import { type Findings, findingsOf, selectsNothing, warning } from "./finding.ts";
import { mergeGateways, type RejectedServer, type RouteNames } from "./gateways.ts";
import { objectKey } from "./inputs.ts";
import type { Model } from "./model.ts";
import type { Workload } from "./workloads.ts";

/** Names of routes play no part in who is shut out. */
const NO_NAMES: RouteNames = { http: () => "", https: () => "" };

export function gatewayFindings(
  graph: Graph,
  { inputs, proxies }: Pick<Model, "inputs" | "proxies">,
  pods: SelectableIndex<Workload>,
): Findings {
  const bySelector = graph.index(inputs.gateways, "Gateways with one selector", (_key, row) => [
    selectorId(row),
  ]);
  const rejected = graph.group<Gateway, readonly RejectedServer[]>(
    bySelector,
    { name: "rejected servers of Gateways" },
    (_selector, gateways) => mergeGateways(gateways, {}, NO_NAMES).rejected,
  );
  const connected = graph.index(
    proxies.gatewaySets,
    "gateway sets by Gateway",
    (_key, set) => set.gateways,
  );
  return findingsOf<Gateway>(graph, "Gateway", inputs.gateways, {
    reads: [rejected, pods, connected],
    fn: (gateway, read) => {
      const key = objectKey(gateway.metadata);
      const { selector } = gateway.spec;
      const query = { namespace: undefined, matchLabels: selector };
      const served = read.keysOf(connected, key).length > 0 || read.select(pods, query).length > 0;
      const conflicts = (read.get(rejected, selectorId(gateway)) ?? [])
        .filter(server => server.gateway === key)
        .map(({ index, reason }) =>
          warning(`spec.servers[${index}]`, "ConflictingGateways", `has no effect: ${reason}`),
        );
      return served ? conflicts : [selectsNothing("spec.selector", selector), ...conflicts];
    },
  });
}

function selectorId({ spec }: Gateway): string {
  return JSON.stringify(Object.entries(spec.selector).sort());
}
