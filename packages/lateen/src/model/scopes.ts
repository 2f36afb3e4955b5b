/**
 * Sidecar scopes: what the proxies of a namespace may reach (Istio: "Sidecar"). Without a Sidecar
 * object that is everything exported to the namespace.
 */
import type { Sidecar, SidecarEgress } from "../api/sidecar/schema.ts";
import type { Brand } from "../base/brand.ts";
import type { CellFamily, Collection, Graph } from "../flow/types.ts";
import { hostWithin } from "./hosts.ts";
import { MESH_KEY } from "./inputs.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import { isCarried, parseProtocol } from "./protocol.ts";
import type { Mesh, Protocol } from "./types.ts";

/** `namespace|`, `namespace|namespace/name of the Sidecar`, or `namespace|gateway`. */
export type ScopeKey = Brand<string, "ScopeKey">;

export function scopeKey(namespace: string, sidecar: string): ScopeKey {
  return `${namespace}|${sidecar}` as ScopeKey;
}

/** What the gateways of a namespace see. */
export function gatewayScopeKey(namespace: string): ScopeKey {
  return scopeKey(namespace, GATEWAY);
}

/** Keys of Sidecars have a slash. */
const GATEWAY = "gateway";

function namespaceOfScope(scope: string): string {
  return scope.slice(0, scope.indexOf("|"));
}

/** One `namespace/host` of an egress listener; `namespace` is "*" for any. */
export interface Import {
  readonly namespace: string;
  readonly host: string;
}

export interface EgressListener {
  /** undefined: all ports that earlier listeners did not take. */
  readonly port: { readonly number: number; readonly protocol: Protocol } | undefined;
  readonly imports: readonly Import[];
}

export interface Scope {
  readonly key: ScopeKey;
  readonly namespace: string;
  /** False: a Sidecar object says what there is. */
  readonly isDefault: boolean;
  /** Gateways serve all namespaces: what their own has does not come first. */
  readonly forGateways: boolean;
  readonly rootNamespace: string;
  readonly domain: string;
  readonly listeners: readonly EgressListener[];
  readonly outboundTrafficPolicy: Mesh["outboundTrafficPolicy"];
}

const EVERYTHING: EgressListener = {
  port: undefined,
  imports: [{ namespace: "*", host: "*" }],
};

export function createScopes(
  graph: Graph,
  sidecars: Collection<Sidecar>,
  mesh: Collection<Mesh>,
  names: Collection<MeshNames>,
): CellFamily<Scope> {
  const policies = graph.derive(
    mesh,
    { name: "outbound traffic policy" },
    (_key, row) => row.outboundTrafficPolicy,
  );
  const reads = [sidecars, policies, names];
  return graph.cells<Scope>({ name: "scopes", reads }, (key, read) => {
    const namespace = namespaceOfScope(key);
    const rest = key.slice(namespace.length + 1);
    const sidecar = read.get(sidecars, rest);
    const { rootNamespace, domain } = meshNames(read, names);
    const meshPolicy = read.get(policies, MESH_KEY) ?? "ALLOW_ANY";
    return {
      key: key as ScopeKey,
      namespace,
      isDefault: sidecar === undefined,
      forGateways: rest === GATEWAY,
      rootNamespace,
      domain,
      listeners: listenersOf(sidecar, namespace),
      outboundTrafficPolicy: sidecar?.spec.outboundTrafficPolicy?.mode ?? meshPolicy,
    };
  });
}

function listenersOf(sidecar: Sidecar | undefined, namespace: string): readonly EgressListener[] {
  const egress = sidecar?.spec.egress ?? [];
  if (egress.length === 0) return [EVERYTHING];
  return egress.map(listener => ({
    port: portOf(listener),
    imports: listener.hosts.flatMap(host => importOf(host, namespace)),
  }));
}

function portOf({ port }: SidecarEgress): EgressListener["port"] {
  if (port?.number === undefined) return undefined;
  return { number: port.number, protocol: parseProtocol(port.protocol ?? "") };
}

function importOf(text: SidecarEgress["hosts"][number], namespace: string): readonly Import[] {
  const slash = text.indexOf("/");
  const from = text.slice(0, slash);
  const host = text.slice(slash + 1);
  if (from === "~") return [];
  return [{ namespace: from === "." ? namespace : from, host }];
}

/** Index of the listener that serves a port: the one made for it, else the one for all others. */
export function listenerOfPort(scope: Scope, port: number): number {
  const exact = scope.listeners.findIndex(
    listener => listener.port?.number === port && isCarried(listener.port.protocol),
  );
  return exact >= 0 ? exact : scope.listeners.findIndex(listener => listener.port === undefined);
}

/** Nothing to check: every host of every namespace. */
export function importsEverything({ imports }: EgressListener): boolean {
  const any = imports.filter(({ namespace }) => namespace === "*");
  return any.length === imports.length && any.some(({ host }) => host === "*");
}

/**
 * Istio: hosts named for an object's own namespace hide those named for any namespace.
 */
export function importsFor(listener: EgressListener, namespace: string): readonly Import[] {
  const own = listener.imports.filter(each => each.namespace === namespace);
  return own.length > 0 ? own : listener.imports.filter(each => each.namespace === "*");
}

export function importsService(
  listener: EgressListener,
  service: { readonly namespace: string; readonly hostname: string },
): boolean {
  return importsFor(listener, service.namespace).some(({ host }) =>
    hostWithin(service.hostname, host),
  );
}
