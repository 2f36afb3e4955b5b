/** Listeners of gateways, and which servers are merged into each. */
import type { CellFamily, Graph } from "../../flow/types.ts";
import type { ServerTlsSettings } from "../../model/gateways.ts";
import {
  type MergedGateway,
  type MergedPort,
  type MergedServer,
  mergeGateways,
  sniNames,
} from "../../model/gateways.ts";
import { canBeServerName } from "../../model/hosts.ts";
import { MESH_KEY } from "../../model/inputs.ts";
import type { Model } from "../../model/model.ts";
import { encodeListener } from "../encode.ts";
import type { RoutesOverRds } from "../http-connection-manager.ts";
import { familiesOf, wildcards } from "../ip-families.ts";
import { type GatewayServer, gatewayListener } from "../listener-gateway.ts";
import { gatewayHttpRouteName, gatewayHttpsRouteName, listenerName } from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import type { ServerTls, TlsVersion } from "../tls.ts";
import { metricsFormOf, sameResource } from "./family.ts";

/** Key: a gateway set. */
export type MergedGateways = CellFamily<MergedGateway>;

const NOTHING: MergedGateway = { ports: [], rejected: [] };

export function createMergedGateways(graph: Graph, model: Model): MergedGateways {
  const { proxies, gateways: declared } = model;
  const names = { http: gatewayHttpRouteName, https: gatewayHttpsRouteName };
  const reads = [proxies.gatewaySets, declared];
  return graph.cells<MergedGateway>({ name: "merged gateways", reads }, (key, read) => {
    const set = read.get(proxies.gatewaySets, key);
    if (set === undefined) return NOTHING;
    const gateways = set.gateways.flatMap(name => read.get(declared, name) ?? []);
    return mergeGateways(gateways, set.targetPorts, names);
  });
}

export interface GatewayListeners {
  /** Key: `form of metrics|IP families|gateway set|name of the listener`. */
  readonly cells: CellFamily<EncodedResource | undefined>;
  /** Key: `IP families|gateway set`. */
  readonly names: CellFamily<readonly string[]>;
}

export function createGatewayListeners(
  graph: Graph,
  model: Model,
  gateways: MergedGateways,
): GatewayListeners {
  const { inputs } = model;
  const cells = graph.cells<EncodedResource | undefined>(
    { name: "gateway listeners", reads: [gateways, inputs.mesh], equals: sameResource },
    (key, read) => {
      const [form = "", families = "", set = "", name = ""] = key.split("|");
      const binds = wildcards(familiesOf(families));
      const mesh = read.get(inputs.mesh, MESH_KEY);
      const port = read.cell(gateways, set).ports.find(each => nameOf(each, binds[0]) === name);
      if (mesh === undefined || port === undefined) return undefined;
      const servers = serversOf(port);
      if (servers.length === 0) return undefined;
      return encodeListener(
        gatewayListener({
          mesh: { ...mesh, metrics: metricsFormOf(form) },
          binds,
          port: port.number,
          servers,
        }),
      );
    },
  );
  const names = graph.cells<readonly string[]>(
    { name: "gateway listener names", reads: [gateways] },
    (key, read) => {
      const [families = "", set = ""] = key.split("|");
      const [bind] = wildcards(familiesOf(families));
      return read
        .cell(gateways, set)
        .ports.filter(port => serversOf(port).length > 0)
        .map(port => nameOf(port, bind))
        .sort();
    },
  );
  return { cells, names };
}

function nameOf(port: MergedPort, bind: string): string {
  return listenerName(bind, port.number);
}

/** Plaintext servers of a port share one chain and its routes. */
function serversOf(port: MergedPort): readonly GatewayServer[] {
  const [first] = port.servers;
  if (first === undefined) return [];
  if (port.kind === "http") return [{ kind: "http", routes: routesOf(first) }];
  return port.servers.flatMap(httpsServer);
}

function routesOf({ routeName, protocol }: MergedServer): RoutesOverRds {
  return { routeName, grpcWeb: protocol === "GRPC-WEB" };
}

/** Other TLS and TCP servers are routed by `tls` and `tcp` routes, which are not carried out yet. */
function httpsServer(server: MergedServer): readonly GatewayServer[] {
  const tls = server.tls && serverTls(server.tls);
  if (server.routeName === "" || tls === undefined) return [];
  const names = sniNames(server.hosts).filter(canBeServerName);
  if (names.length === 0) return [];
  return [
    {
      kind: "https",
      routes: routesOf(server),
      serverNames: names.includes("*") ? [] : names,
      tls,
    },
  ];
}

function serverTls(tls: ServerTlsSettings): ServerTls | undefined {
  const { mode } = tls;
  if (mode === undefined || mode === "PASSTHROUGH" || mode === "AUTO_PASSTHROUGH") return undefined;
  const credentialName = given(tls.credentialName);
  const serverCertificate = given(tls.serverCertificate);
  if (mode !== "ISTIO_MUTUAL" && credentialName === undefined && serverCertificate === undefined)
    return undefined;
  return {
    mode,
    credentialName,
    serverCertificate,
    privateKey: given(tls.privateKey),
    caCertificates: given(tls.caCertificates),
    subjectAltNames: tls.subjectAltNames,
    minProtocolVersion: tlsVersion(tls.minProtocolVersion),
    maxProtocolVersion: tlsVersion(tls.maxProtocolVersion),
    cipherSuites: tls.cipherSuites,
  };
}

function given(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

function tlsVersion(version: ServerTlsSettings["minProtocolVersion"]): TlsVersion | undefined {
  return version === "TLS_AUTO" ? undefined : version;
}
