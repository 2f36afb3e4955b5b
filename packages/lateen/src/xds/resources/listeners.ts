/** Listeners (LDS): outbound ones by scope, the inbound one by workload, a gateway's by its ports. */
import type { FilterChain } from "@lateen/envoy-api/envoy/config/listener/v3/listener_components.js";
import type { CellFamily, Graph } from "../../flow/types.ts";
import { MESH_KEY } from "../../model/inputs.ts";
import type { Model } from "../../model/model.ts";
import type { ProxyClass } from "../../model/proxies.ts";
import type { MutualTlsMode } from "../../model/types.ts";
import { encodeListener } from "../encode.ts";
import { familiesOf } from "../ip-families.ts";
import { commonInboundChains, virtualInbound } from "../listener-inbound.ts";
import { VIRTUAL_INBOUND } from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import {
  joinKey,
  metricsFormOf,
  sameResource,
  splitViewKey,
  type TypeResources,
} from "./family.ts";
import { createGatewayListeners, type MergedGateways } from "./gateways.ts";
import { createOutboundListeners } from "./listeners-outbound.ts";

type Encoded = EncodedResource | undefined;

const OUTBOUND = "outbound|";
const INBOUND = "inbound|";
const GATEWAY = "gateway|";
/** Before an inbound set: for proxies that intercept in this mode. */
const TPROXY = "tproxy|";
const MUTUAL_TLS_MODES: readonly MutualTlsMode[] = ["STRICT", "PERMISSIVE", "DISABLE"];

export function createListenerResources(
  graph: Graph,
  model: Model,
  gateways: MergedGateways,
): TypeResources {
  const outbound = createOutboundListeners(graph, model);
  const inbound = createInbound(graph, model);
  const gateway = createGatewayListeners(graph, model, gateways);
  const reads = [outbound.cells, inbound, gateway.cells];
  const cells = graph.cells<Encoded>(
    { name: "LDS by view", reads, equals: sameResource },
    (key, read) => {
      const { view, name } = splitViewKey(key);
      if (view.startsWith(INBOUND))
        return name === VIRTUAL_INBOUND
          ? read.cell(inbound, view.slice(INBOUND.length))
          : undefined;
      if (view.startsWith(GATEWAY))
        return read.cell(gateway.cells, joinKey(view.slice(GATEWAY.length), name));
      return read.cell(outbound.cells, joinKey(view.slice(OUTBOUND.length), name));
    },
  );
  const names = graph.cells<readonly string[]>(
    { name: "LDS names", reads: [outbound.names, gateway.names] },
    (view, read) => {
      if (view.startsWith(INBOUND)) return [VIRTUAL_INBOUND];
      if (view.startsWith(GATEWAY))
        return read.cell(gateway.names, withoutForm(view.slice(GATEWAY.length)));
      const [seen = "", own] = view.slice(OUTBOUND.length).split("\t");
      const all = read.cell(outbound.names, withoutForm(seen));
      if (own === undefined) return all;
      const mine = own.split(",");
      return all.filter(name => !mine.includes(name.slice(0, name.lastIndexOf("_"))));
    },
  );
  return { cells, names, wildcardViews, namedView };
}

/** Views say the form of metrics first: `outbound|compact|IPv4|SCOPE`. */
function wildcardViews(proxy: ProxyClass): readonly string[] {
  const { type, scope, inbound, gateway, ownAddresses, interceptionMode, ipFamilies, metrics } =
    proxy;
  if (type === "router") return [`${GATEWAY}${joinKey(metrics, ipFamilies, gateway ?? "")}`];
  const own = ownAddresses.length === 0 ? "" : `\t${ownAddresses.join(",")}`;
  const mode = interceptionMode === "TPROXY" ? TPROXY : "";
  return [
    `${OUTBOUND}${joinKey(metrics, ipFamilies, scope)}${own}`,
    `${INBOUND}${mode}${joinKey(metrics, ipFamilies, inbound ?? "")}`,
  ];
}

function namedView(proxy: ProxyClass): (name: string) => string {
  const [first = "", second = first] = wildcardViews(proxy);
  return name => (name === VIRTUAL_INBOUND ? second : first);
}

/** Names of listeners do not depend on how metrics are made. */
function withoutForm(view: string): string {
  return view.slice(view.indexOf("|") + 1);
}

/** Key: form of metrics, IP families and an inbound set, or TPROXY and these. */
function createInbound(graph: Graph, model: Model): CellFamily<Encoded> {
  const { inputs, proxies } = model;
  const common = createCommonInbound(graph, model);
  const reads = [inputs.mesh, proxies.inboundSets, common];
  return graph.cells<Encoded>(
    { name: "inbound listeners", reads, equals: sameResource },
    (key, read) => {
      const mesh = read.get(inputs.mesh, MESH_KEY);
      const transparent = key.startsWith(TPROXY);
      const [form = "", families = "", inboundSet = ""] = key
        .slice(transparent ? TPROXY.length : 0)
        .split("|");
      const metrics = metricsFormOf(form);
      const set = read.get(proxies.inboundSets, inboundSet);
      if (mesh === undefined || set === undefined) return undefined;
      // The first service of a target port says how it is served; the others only share it.
      const ports = set.ports.filter(
        (port, i) => set.ports.findIndex(other => other.targetPort === port.targetPort) === i,
      );
      return encodeListener(
        virtualInbound(
          {
            mesh: { ...mesh, metrics },
            trustDomains: [mesh.trustDomain],
            ports: ports.map(port => ({ ...port, mtls: set.mtls })),
            mtls: set.mtls,
            transparent,
            ipFamilies: familiesOf(families),
          },
          read.cell(common, joinKey(metrics, set.mtls)),
        ),
      );
    },
  );
}

/** Key: form of metrics and mode of mutual TLS. Half of every inbound listener, and the same for all workloads. */
function createCommonInbound(graph: Graph, { inputs }: Model): CellFamily<readonly FilterChain[]> {
  return graph.cells<readonly FilterChain[]>(
    { name: "common inbound chains", reads: [inputs.mesh] },
    (key, read) => {
      const mesh = read.get(inputs.mesh, MESH_KEY);
      const [form = "", named] = key.split("|");
      const mtls = MUTUAL_TLS_MODES.find(mode => mode === named);
      if (mesh === undefined || mtls === undefined) return [];
      return commonInboundChains({
        mesh: { ...mesh, metrics: metricsFormOf(form) },
        trustDomains: [mesh.trustDomain],
        mtls,
      });
    },
  );
}
