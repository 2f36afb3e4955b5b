/**
 * Where the ingress gateway is reached, for the status of Ingresses (Istio's status syncer): the
 * addresses of MeshConfig's `ingressService`, or, where that is empty, of the nodes that the
 * gateway's pods are on. https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/
 */
import type { Ingress } from "../api/ingress/schema.ts";
import type { Node } from "../api/node/kind.ts";
import type { Service } from "../api/service/schema.ts";
import type { Collection, Graph, Reader, SelectableIndex } from "../flow/types.ts";
import type { IngressContext } from "./ingress.ts";
import { MESH_KEY, objectKey } from "./inputs.ts";
import type { Workload } from "./workloads.ts";

export interface AddressesDue {
  readonly namespace: string;
  readonly name: string;
  /** As in `status.loadBalancer.ingress`. */
  readonly addresses: readonly Address[];
}

export type Address = { readonly ip: string } | { readonly hostname: string };

interface AddressInputs {
  readonly rows: Collection<Ingress>;
  readonly context: Collection<IngressContext>;
  readonly services: Collection<Service>;
  readonly nodes: Collection<Node>;
  readonly pods: SelectableIndex<Workload>;
}

/** Ingresses whose status does not say yet where the gateway is reached. */
export function createAddressesDue(graph: Graph, inputs: AddressInputs): Collection<AddressesDue> {
  const { rows, context, services, pods } = inputs;
  const outside = graph.derive<Node, readonly string[]>(
    inputs.nodes,
    { name: "nodes' addresses outside" },
    (_key, { status }) => {
      const found = status?.addresses.filter(each => each.type === "ExternalIP") ?? [];
      return found.length === 0 ? undefined : found.map(({ address = "" }) => address);
    },
  );
  const addresses = graph.derive<IngressContext, readonly Address[]>(
    context,
    { name: "addresses of the ingress gateway", reads: [services, pods, outside] },
    (_key, { rootNamespace: namespace, ingress }, read) =>
      ingress.service === ""
        ? ofNodes(read, read.select(pods, selectorOf(namespace, ingress.selector)), outside)
        : ofService(read.get(services, objectKey({ namespace, name: ingress.service }))),
  );
  return graph.derive<Ingress, AddressesDue>(
    rows,
    { name: "Ingresses without their addresses", reads: [addresses] },
    (_key, { metadata: { namespace, name }, status }, read) => {
      const wanted = read.get(addresses, MESH_KEY) ?? [];
      const there = ordered(given(status?.loadBalancer?.ingress ?? []));
      const same = JSON.stringify(wanted) === JSON.stringify(there);
      return same ? undefined : { namespace, name, addresses: wanted };
    },
  );
}

function selectorOf(namespace: string, istio: string) {
  return { namespace, matchLabels: { istio } };
}

function ofNodes(
  read: Reader,
  pods: readonly Workload[],
  outside: Collection<readonly string[]>,
): readonly Address[] {
  const nodes = new Set(pods.map(({ nodeName }) => nodeName));
  const ips = new Set([...nodes].flatMap(node => read.get(outside, node) ?? []));
  return ordered([...ips].filter(ip => ip !== "").map(ip => ({ ip })));
}

function ofService(service: Service | undefined): readonly Address[] {
  if (service === undefined) return [];
  const { type, externalName = "", externalIPs = [] } = service.spec;
  if (type === "ExternalName") return externalName === "" ? [] : [{ hostname: externalName }];
  const balanced = given(service.status?.loadBalancer?.ingress ?? []);
  return ordered([...balanced, ...externalIPs.map(ip => ({ ip }))]);
}

function given(
  found: readonly { readonly ip?: string; readonly hostname?: string }[],
): readonly Address[] {
  return found.flatMap(({ ip = "", hostname = "" }): Address[] => {
    if (ip !== "") return [{ ip }];
    return hostname === "" ? [] : [{ hostname }];
  });
}

/** Each once, in one order, whoever named it first. */
function ordered(addresses: readonly Address[]): readonly Address[] {
  const byText = new Map(addresses.map(each => [JSON.stringify(each), each]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}
