/** Findings about Gateways: selectors that select nothing, servers that others shut out. */
import type { Gateway } from "../api/gateway/schema.ts";
import { isCaKeySecret } from "../base/ca-key-secrets.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { parseSpiffeId } from "../base/spiffe.ts";
import type { Collection, Graph, SelectableIndex } from "../flow/types.ts";
import { type Findings, findingsOf, selectsNothing, warning } from "./finding.ts";
import { mergeGateways, type RejectedServer, type RouteNames } from "./gateways.ts";
import { servicesOf, targetPortOf } from "./inbound.ts";
import { objectKey } from "./inputs.ts";
import type { Model } from "./model.ts";
import { isCarried } from "./protocol.ts";
import type { Service } from "./types.ts";
import type { Workload } from "./workloads.ts";

/** Names of routes play no part in who is shut out. */
const NO_NAMES: RouteNames = { http: () => "", https: () => "" };

/** Servers that others shut out, by the Gateways' selector (`selectorId`). */
export type RejectedServers = Collection<readonly RejectedServer[]>;

export function createRejectedServers(
  graph: Graph,
  gateways: Collection<Gateway>,
): RejectedServers {
  const bySelector = graph.index(gateways, "Gateways with one selector", (_key, row) => [
    selectorId(row.spec.selector),
  ]);
  return graph.group<Gateway, readonly RejectedServer[]>(
    bySelector,
    { name: "rejected servers of Gateways" },
    (_selector, rows) => mergeGateways(rows, {}, NO_NAMES).rejected,
  );
}

export function gatewayFindings(
  graph: Graph,
  { inputs, proxies }: Pick<Model, "inputs" | "proxies">,
  pods: SelectableIndex<Workload>,
  rejected: RejectedServers,
): Findings {
  const connected = graph.index(
    proxies.gatewaySets,
    "gateway sets by Gateway",
    (_key, set) => set.gateways,
  );
  return findingsOf<Gateway>(graph, "Gateway", inputs.gateways, {
    reads: [rejected, pods, connected, inputs.credentials, proxies.servicesBySelector],
    fn: (gateway, read) => {
      const key = objectKey(gateway.metadata);
      const { selector } = gateway.spec;
      const query = { namespace: undefined, matchLabels: selector };
      const selected = read.select(pods, query);
      const served = read.keysOf(connected, key).length > 0 || selected.length > 0;
      const conflicts = (read.get(rejected, selectorId(selector)) ?? [])
        .filter(server => server.gateway === key)
        .map(({ index, reason }) =>
          warning(`spec.servers[${index}]`, "ConflictingGateways", `has no effect: ${reason}`),
        );
      if (!served) return [selectsNothing("spec.selector", selector), ...conflicts];
      const namespaces = [
        ...new Set(selected.flatMap(pod => parseSpiffeId(pod.serviceAccount)?.namespace ?? [])),
      ];
      const missing = missingCredentials(gateway, namespaces, name =>
        namespaces.some(each => read.get(inputs.credentials, `${each}/${name}`) !== undefined),
      );
      const unserved = portsWithoutService(gateway, selected, pod =>
        servicesOf(
          { namespace: pod.source.namespace, labels: pod.labels, ownLabels: pod.ownLabels },
          read,
          proxies.servicesBySelector,
        ),
      );
      return [...conflicts, ...missing, ...unserved];
    },
  });
}

/** More pods tell nothing that these do not. */
const MAX_PODS = 100;

/**
 * Ports that no Service in front of the gateway's pods leads to. Nobody can say so where there is no
 * Service (pods of the host's network), or of a Gateway for all pods there are.
 */
function portsWithoutService(
  { spec }: Gateway,
  pods: readonly Workload[],
  servicesOfPod: (pod: Workload) => readonly Service[],
): readonly Diagnostic[] {
  if (Object.keys(spec.selector).length === 0) return [];
  const names = new Set<string>();
  const ports = new Set<number>();
  const targets = new Set<number>();
  for (const pod of pods.slice(0, MAX_PODS))
    for (const service of servicesOfPod(pod)) {
      names.add(`${service.namespace}/${service.name}`);
      for (const port of service.ports) {
        if (!isCarried(port.protocol)) continue;
        ports.add(port.number);
        targets.add(targetPortOf(port, pod.namedPorts) ?? port.number);
      }
    }
  if (names.size === 0) return [];
  const has = [...ports].sort((a, b) => a - b).join(", ");
  return spec.servers.flatMap(({ port: { number } }, i) => {
    if (ports.has(number) || targets.has(number)) return [];
    const message = `found ${number}, want a port of Service ${[...names].sort().join(" or ")}, which has ${has}`;
    return [warning(`spec.servers[${i}].port.number`, "GatewayPortNotDefinedOnService", message)];
  });
}

/** Istio looks for the Secret where the gateway's pods are, wherever the Gateway is. */
function missingCredentials(
  gateway: Gateway,
  namespaces: readonly string[],
  isThere: (name: string) => boolean,
): Diagnostic[] {
  if (namespaces.length === 0) return [];
  return gateway.spec.servers.flatMap((server, index) => {
    const name = server.tls?.credentialName ?? "";
    if (name === "" || isThere(name)) return [];
    return [missingCredential(`spec.servers[${index}].tls.credentialName`, name, namespaces)];
  });
}

/** `namespaces`: of the gateway's pods, at least one. */
export function missingCredential(
  path: string,
  name: string,
  namespaces: readonly string[],
): Diagnostic {
  if (isCaKeySecret(name)) {
    const refused = `found "${name}", which holds the key of the mesh's CA: no gateway is given it`;
    return warning(path, "ReferencedResourceNotFound", refused);
  }
  const where = [...namespaces].sort().join(" or ");
  const message = `found "${name}", want a Secret with a certificate in the namespace of the gateway's pods: ${where}`;
  return warning(path, "ReferencedResourceNotFound", message);
}

export function selectorId(selector: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(selector).sort());
}
