/** Outbound listeners of sidecars: one cell a scope, set of IP families, address and port. */
import type { CellFamily, Graph, Reader } from "../../flow/types.ts";
import { onPortKey } from "../../model/imports.ts";
import { MESH_KEY } from "../../model/inputs.ts";
import type { Model } from "../../model/model.ts";
import type { IpFamilies } from "../../model/proxies.ts";
import type { EgressListener, Scope } from "../../model/scopes.ts";
import { partsOf, type ServiceShape } from "../../model/services.ts";
import { encodeListener } from "../encode.ts";
import { familiesOf, wildcards } from "../ip-families.ts";
import { outboundListener, virtualOutbound } from "../listener-outbound.ts";
import { listenerName, VIRTUAL_OUTBOUND } from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import { sameResource } from "./family.ts";
import { bindsOf, type Claim, planListener, WILDCARD } from "./outbound-plan.ts";

type Encoded = EncodedResource | undefined;

export interface OutboundListeners {
  /** Key: `IP families|scope|name of the listener`. */
  readonly cells: CellFamily<Encoded>;
  /** Key: `IP families|scope`. */
  readonly names: CellFamily<readonly string[]>;
}

export function createOutboundListeners(graph: Graph, model: Model): OutboundListeners {
  const { scopes, imports, podAddresses, inputs } = model;
  const reads = [scopes, imports.onPort, imports.services, podAddresses];
  const cells = graph.cells<Encoded>(
    { name: "outbound listeners", reads: [...reads, inputs.mesh], equals: sameResource },
    (key, read) => {
      const bar = key.lastIndexOf("|");
      return outboundCell(read, model, viewOf(read, model, key.slice(0, bar)), key.slice(bar + 1));
    },
  );
  const names = graph.cells<readonly string[]>(
    { name: "outbound listener names", reads },
    (key, read) =>
      [
        ...new Set([VIRTUAL_OUTBOUND, ...listenerNames(read, model, viewOf(read, model, key))]),
      ].sort(),
  );
  return { cells, names };
}

interface View {
  readonly scope: Scope;
  readonly families: IpFamilies;
}

function viewOf(read: Reader, { scopes }: Model, key: string): View {
  const bar = key.indexOf("|");
  const families = familiesOf(key.slice(0, bar));
  return { scope: read.cell(scopes, key.slice(bar + 1)), families };
}

function outboundCell(read: Reader, model: Model, view: View, name: string): Encoded {
  const { scope, families } = view;
  const mesh = read.get(model.inputs.mesh, MESH_KEY);
  if (mesh === undefined) return undefined;
  if (name === VIRTUAL_OUTBOUND)
    return encodeListener(virtualOutbound(mesh, scope.outboundTrafficPolicy, families));
  const end = name.lastIndexOf("_");
  const named = name.slice(0, end);
  const anyAddress = wildcards(families);
  const bind = named === anyAddress[0] ? WILDCARD : named;
  const port = Number(name.slice(end + 1));
  const claims = claimsOf(read, model, view, bind, port);
  const plan = planListener(claims);
  if (plan === undefined) return undefined;
  const { routeName, chains, rest } = plan;
  const alone = rest !== undefined && chains.length === 0 && routeName === undefined;
  return encodeListener(
    outboundListener({
      mesh,
      binds: bind === WILDCARD ? anyAddress : [bind, ...(claims[0]?.bind.more ?? [])],
      port,
      routeName,
      chains: alone ? [rest] : chains,
      fallback: alone ? undefined : (rest ?? scope.outboundTrafficPolicy),
    }),
  );
}

/** The first egress listener with something for an address and port has it; others add nothing. */
function claimsOf(
  read: Reader,
  model: Model,
  { scope, families }: View,
  bind: string,
  port: number,
): readonly Claim[] {
  for (const [index, listener] of scope.listeners.entries()) {
    if ((listener.port?.number ?? port) !== port) continue;
    const claims = read
      .cell(model.imports.onPort, onPortKey(scope.key, index, port))
      .flatMap(service => serviceClaims(read, model, listener, service, families))
      .filter(claim => claim.port.number === port && claim.bind.address === bind);
    if (claims.length > 0) return claims;
  }
  return [];
}

function serviceClaims(
  read: Reader,
  model: Model,
  listener: EgressListener,
  service: ServiceShape,
  families: IpFamilies,
): readonly Claim[] {
  return partsOf(service).flatMap(part => {
    const direct = part.resolution === "Passthrough" && part.addresses.length === 0;
    const pods = direct ? read.get(model.podAddresses, part.key) : undefined;
    return part.ports.flatMap(port => {
      const protocol = listener.port?.protocol ?? port.protocol;
      const binds = bindsOf(part, port, protocol, pods, families);
      return binds.map(bind => ({ service: part, port, protocol, bind }));
    });
  });
}

function listenerNames(read: Reader, model: Model, { scope, families }: View): readonly string[] {
  const [anyAddress] = wildcards(families);
  const names: string[] = [];
  for (const [index, listener] of scope.listeners.entries()) {
    const port = listener.port?.number;
    const services =
      port === undefined
        ? read.cell(model.imports.services, scope.key)
        : read.cell(model.imports.onPort, onPortKey(scope.key, index, port));
    for (const service of services)
      for (const { bind, port: own } of serviceClaims(read, model, listener, service, families)) {
        if (own.number !== (port ?? own.number)) continue;
        names.push(listenerName(bind.address === WILDCARD ? anyAddress : bind.address, own.number));
      }
  }
  return names;
}
