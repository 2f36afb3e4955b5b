/** Outbound listeners of sidecars: one cell a form of metrics, set of IP families, scope, address and port. */
import type { CellFamily, Graph, Reader } from "../../flow/types.ts";
import { onPortKey } from "../../model/imports.ts";
import { MESH_KEY } from "../../model/inputs.ts";
import type { Model } from "../../model/model.ts";
import type { IpFamilies } from "../../model/proxies.ts";
import type { EgressListener, Scope } from "../../model/scopes.ts";
import { partsOf, type ServiceShape } from "../../model/services.ts";
import { encodeListener } from "../encode.ts";
import { familiesOf, wildcards } from "../ip-families.ts";
import {
  type OutboundListenerInput,
  outboundListener,
  virtualOutbound,
} from "../listener-outbound.ts";
import { listenerName, VIRTUAL_OUTBOUND } from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import { joinKey, metricsFormOf, sameResource } from "./family.ts";
import { bindsOf, type Claim, planListener, WILDCARD } from "./outbound-plan.ts";

type Encoded = EncodedResource | undefined;

export interface OutboundListeners {
  /** Key: `form of metrics|IP families|scope|name of the listener`. */
  readonly cells: CellFamily<Encoded>;
  /** Key: `IP families|scope`. */
  readonly names: CellFamily<readonly string[]>;
}

export function createOutboundListeners(graph: Graph, model: Model): OutboundListeners {
  const { scopes, imports, podAddresses } = model;
  const reads = [scopes, imports.onPort, imports.services, podAddresses];
  const claims = graph.cells<Claims>({ name: "outbound claims", reads }, (key, read) => {
    const bar = key.lastIndexOf("|");
    return claimsOf(
      read,
      model,
      viewOf(read, model, key.slice(0, bar)),
      Number(key.slice(bar + 1)),
    );
  });
  const planned = createPlanned(graph, model);
  const cells = graph.cells<Encoded>(
    { name: "outbound listeners", reads: [scopes, claims, planned], equals: sameResource },
    (key, read) => {
      const start = key.indexOf("|");
      const end = key.lastIndexOf("|");
      const view = key.slice(start + 1, end);
      const plan = planOf(viewOf(read, model, view), key.slice(end + 1), port =>
        read.cell(claims, joinKey(view, port)),
      );
      return plan && read.cell(planned, joinKey(key.slice(0, start), JSON.stringify(plan)));
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

/** All that a listener is made of beside the mesh's configuration. */
type Planned = Omit<OutboundListenerInput, "mesh"> | CatchAll;

/** The listener that takes all intercepted connections. */
interface CatchAll extends Pick<View, "families"> {
  readonly policy: Scope["outboundTrafficPolicy"];
}

/** Key: form of metrics, and a `Planned` as JSON. What comes out the same in many scopes is built and kept once. */
function createPlanned(graph: Graph, { inputs }: Model): CellFamily<Encoded> {
  return graph.cells<Encoded>(
    { name: "planned outbound listeners", reads: [inputs.mesh], equals: sameResource },
    (key, read) => {
      const settings = read.get(inputs.mesh, MESH_KEY);
      if (settings === undefined) return undefined;
      const end = key.indexOf("|");
      const mesh = { ...settings, metrics: metricsFormOf(key.slice(0, end)) };
      const plan = JSON.parse(key.slice(end + 1)) as Planned;
      return encodeListener(
        "policy" in plan
          ? virtualOutbound(mesh, plan.policy, plan.families)
          : outboundListener({ ...plan, mesh }),
      );
    },
  );
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

function planOf(
  { scope, families }: View,
  name: string,
  claimsOn: (port: number) => Claims,
): Planned | undefined {
  if (name === VIRTUAL_OUTBOUND) return { policy: scope.outboundTrafficPolicy, families };
  const end = name.lastIndexOf("_");
  if (end < 0) return undefined;
  const named = name.slice(0, end);
  const anyAddress = wildcards(families);
  const bind = named === anyAddress[0] ? WILDCARD : named;
  const port = Number(name.slice(end + 1));
  const claims = claimsOn(port).get(bind) ?? [];
  const plan = planListener(claims);
  if (plan === undefined) return undefined;
  const { http, chains, rest } = plan;
  const alone = rest !== undefined && chains.length === 0 && http === undefined;
  return {
    binds: bind === WILDCARD ? anyAddress : [bind, ...(claims[0]?.bind.more ?? [])],
    port,
    http,
    chains: alone ? [rest] : chains,
    fallback: alone ? undefined : (rest ?? scope.outboundTrafficPolicy),
  };
}

/** What a scope has on a port, by address. */
type Claims = ReadonlyMap<string, readonly Claim[]>;

/** The first egress listener with something for an address and port has it; others add nothing. */
function claimsOf(read: Reader, model: Model, { scope, families }: View, port: number): Claims {
  const all = new Map<string, readonly Claim[]>();
  for (const [index, listener] of scope.listeners.entries()) {
    if ((listener.port?.number ?? port) !== port) continue;
    const claims = read
      .cell(model.imports.onPort, onPortKey(scope.key, index, port))
      .flatMap(service => serviceClaims(read, model, listener, service, families))
      .filter(claim => claim.port.number === port);
    for (const [address, own] of Map.groupBy(claims, claim => claim.bind.address))
      if (!all.has(address)) all.set(address, own);
  }
  return all;
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
