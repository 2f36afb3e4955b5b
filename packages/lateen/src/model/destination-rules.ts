/** DestinationRules, merged for a host and found for a service and the namespace of its client. */
import type { DestinationRule, DestinationRuleSubset } from "../api/destination-rule/schema.ts";
import type {
  ApiClientTls,
  ApiLoadBalancer,
  ApiTrafficPolicy,
} from "../api/networking/traffic-policy.ts";
import type { CellFamily, Collection, Graph, Index, Reader } from "../flow/types.ts";
import { isWildcard, resolveHost, wildcardsOf } from "./hosts.ts";
import { type MeshNames, meshNames } from "./mesh.ts";
import { byAge, compare } from "./order.ts";
import type { ServiceShape } from "./services.ts";
import type {
  ClientTls,
  DestinationRuleRow,
  LoadBalancer,
  Placement,
  PolicySettings,
  RuleKey,
  Subset,
  TrafficPolicy,
  Visibility,
} from "./types.ts";
import { visibilityOf, visibleTo } from "./visibility.ts";

/** One object, decoded into the model's words. */
interface RuleObject extends Omit<DestinationRuleRow, "key" | "since"> {
  readonly name: string;
  readonly creationTimestamp: string;
  readonly hasPolicy: boolean;
}

export interface DestinationRules {
  readonly rules: Collection<DestinationRuleRow>;
  /** By rule: lists of clusters and of endpoints depend on these, not on policies. */
  readonly subsets: Collection<Readonly<Record<string, Subset["labels"]>>>;
  /** Rules that mean something else at gateways than at sidecars (`differsAtGateways`). */
  readonly byProxyType: Collection<true>;
  /** Those of the rules that say which localities are preferred. */
  readonly localities: Collection<DestinationRuleRow>;
  /** Key: `client namespace|service`; the rule that holds, or "". */
  readonly holding: CellFamily<RuleKey | "">;
  readonly directory: RuleDirectory;
}

/** What finding a rule depends on; a new policy or subset changes none of it. */
interface RuleEntry {
  readonly key: RuleKey;
  readonly namespace: string;
  readonly host: string;
  readonly exportTo: Visibility;
  readonly since: string;
}

export function createDestinationRules(
  graph: Graph,
  objects: Collection<DestinationRule>,
  services: Collection<ServiceShape>,
  names: Collection<MeshNames>,
): DestinationRules {
  const decoded = graph.derive<DestinationRule, RuleObject>(
    objects,
    { name: "DestinationRules resolved", reads: [names] },
    (_key, object, read) => ruleObject(object, meshNames(read, names).domain),
  );
  const byHost = graph.index(decoded, "DestinationRules by host", (_key, rule) => [
    `${rule.namespace}/${rule.host}`,
  ]);
  const merged = graph.group(byHost, { name: "DestinationRules merged" }, (_bucket, rules) =>
    mergeRules(rules),
  );
  const rules = graph.deriveMany<readonly DestinationRuleRow[], DestinationRuleRow>(
    merged,
    { name: "destination rules" },
    (_key, rows) => rows.map(row => [row.key, row]),
  );
  const subsets = graph.derive(rules, { name: "subset labels" }, (_key, rule) =>
    Object.fromEntries(rule.subsets.map(({ name, labels }) => [name, labels])),
  );
  const byProxyType = graph.deriveMany<DestinationRuleRow, true>(
    rules,
    { name: "rules by type of proxy" },
    (key, rule) => (differsAtGateways(rule) ? [[key, true]] : []),
  );
  const localities = graph.derive<DestinationRuleRow, DestinationRuleRow>(
    rules,
    { name: "rules with localities" },
    (_key, rule) => (saysLocalities(rule) ? rule : undefined),
  );
  const directory = createDirectory(graph, rules);
  const holding = createHolding(graph, directory, services, names);
  return { rules, subsets, byProxyType, localities, holding, directory };
}

/** Credentials hold at gateways only, the client's own destination at sidecars only. */
function differsAtGateways(rule: DestinationRuleRow): boolean {
  return policiesOf(rule).some(
    ({ tls, loadBalancer }) =>
      (tls?.credentialName ?? "") !== "" || loadBalancer?.kind === "PASSTHROUGH",
  );
}

function saysLocalities(rule: DestinationRuleRow): boolean {
  return policiesOf(rule).some(each => each.loadBalancer?.ownLocalities === true);
}

function policiesOf({ policy, subsets }: DestinationRuleRow): readonly Settings[] {
  return [policy, ...subsets.map(subset => subset.policy)].flatMap(each => [
    each,
    ...Object.values(each.ports),
  ]);
}

/**
 * The service's preference, if the rule that holds for it has no `localityLbSetting` of its own
 * (Istio: GetLocalityLbSetting). `Local` is no preference: it holds in any case.
 */
export function placementUnder(
  rule: DestinationRuleRow | undefined,
  subset: string,
  port: number,
  placement: Placement | undefined,
): Placement | undefined {
  if (placement === "Local") return placement;
  const { loadBalancer: settings } = policyFor(rule, subset, port);
  return settings.ownLocalities === true ? undefined : placement;
}

/** Where rules are found (`findRule`). */
export interface RuleDirectory {
  readonly byHost: Index<RuleEntry>;
  /** By namespace: its wildcard hosts, the longest first. */
  readonly wildcards: Collection<readonly string[]>;
}

function createDirectory(graph: Graph, rules: Collection<DestinationRuleRow>): RuleDirectory {
  const entries = graph.derive<DestinationRuleRow, RuleEntry>(
    rules,
    { name: "destination rule entries" },
    (_key, { key, namespace, host, exportTo, since }) => ({
      key,
      namespace,
      host,
      exportTo,
      since,
    }),
  );
  const byHost = graph.index(entries, "destination rules by host", (_key, entry) => [
    `${entry.namespace}/${entry.host}`,
  ]);
  const wild = graph.index(entries, "wildcard rules", (_key, entry) =>
    isWildcard(entry.host) ? [entry.namespace] : [],
  );
  const wildcards = graph.group<RuleEntry, readonly string[]>(
    wild,
    { name: "wildcard rule hosts" },
    (_namespace, rows) => [...new Set(rows.map(row => row.host))].sort(),
  );
  return { byHost, wildcards };
}

function createHolding(
  graph: Graph,
  directory: RuleDirectory,
  services: Collection<ServiceShape>,
  names: Collection<MeshNames>,
): CellFamily<RuleKey | ""> {
  const reads = [...Object.values(directory), services, names];
  return graph.cells<RuleKey | "">({ name: "rules holding", reads }, (key, read) => {
    const bar = key.indexOf("|");
    const service = read.get(services, key.slice(bar + 1));
    if (service === undefined) return "";
    const { rootNamespace } = meshNames(read, names);
    return findRule(read, directory, service, key.slice(0, bar), rootNamespace) ?? "";
  });
}

/** Key of `DestinationRules.holding`. */
export function holdingKey(clientNamespace: string, service: string): string {
  return `${clientNamespace}|${service}`;
}

function ruleObject(object: DestinationRule, domain: string): RuleObject {
  const { metadata, spec } = object;
  const { namespace, name } = metadata;
  return {
    source: { kind: "DestinationRule", namespace, name },
    namespace,
    name,
    creationTimestamp: metadata.creationTimestamp,
    host: resolveHost(spec.host, namespace, domain),
    exportTo: visibilityOf(spec.exportTo, namespace),
    hasPolicy: spec.trafficPolicy !== undefined,
    policy: policySettings(spec.trafficPolicy),
    subsets: spec.subsets.map(subsetOf),
  };
}

function subsetOf(subset: DestinationRuleSubset): DestinationRuleRow["subsets"][number] {
  const { name, labels, trafficPolicy } = subset;
  return { name, labels, policy: policySettings(trafficPolicy) };
}

/**
 * Istio, "Multiple virtual services and destination rules for the same host": of rules with the
 * same `exportTo` the oldest one's policy holds, and subsets are added up, the first of a name
 * winning. Rules with different `exportTo` stay apart; the oldest that a client sees holds for it.
 */
function mergeRules(objects: readonly RuleObject[]): readonly DestinationRuleRow[] {
  const merged = new Map<string, DestinationRuleRow & { hasPolicy: boolean }>();
  for (const rule of [...objects].sort(byAge)) {
    const audience = JSON.stringify(rule.exportTo);
    const before = merged.get(audience);
    const { name, creationTimestamp, ...row } = rule;
    const { policy, subsets, hasPolicy } = rule;
    if (before === undefined) {
      const key = `${rule.namespace}/${rule.host}/${name}` as RuleKey;
      merged.set(audience, { ...row, key, since: creationTimestamp });
      continue;
    }
    const known = new Set(before.subsets.map(subset => subset.name));
    merged.set(audience, {
      ...before,
      policy: before.hasPolicy ? before.policy : policy,
      hasPolicy: before.hasPolicy || hasPolicy,
      subsets: [...before.subsets, ...subsets.filter(subset => !known.has(subset.name))],
    });
  }
  return [...merged.values()].map(({ hasPolicy: _, ...rule }) => rule);
}

function policySettings(policy: ApiTrafficPolicy | undefined): PolicySettings {
  const ports: Record<number, Omit<PolicySettings, "ports">> = Object.create(null);
  for (const setting of policy?.portLevelSettings ?? []) {
    const number = setting.port?.number;
    if (number === undefined) continue;
    ports[number] ??= {
      loadBalancer: loadBalancer(setting.loadBalancer),
      tls: clientTls(setting.tls),
    };
  }
  return {
    loadBalancer: loadBalancer(policy?.loadBalancer),
    tls: clientTls(policy?.tls),
    ports,
  };
}

function loadBalancer(settings: ApiLoadBalancer | undefined): LoadBalancer | undefined {
  if (settings === undefined) return undefined;
  const { simple, localityLbSetting } = settings;
  const own = localityLbSetting === undefined ? {} : ({ ownLocalities: true } as const);
  if (simple === "ROUND_ROBIN" || simple === "RANDOM" || simple === "PASSTHROUGH")
    return { kind: simple, ...own };
  return { kind: "LEAST_REQUEST", ...own };
}

function clientTls(tls: ApiClientTls | undefined): ClientTls | undefined {
  if (tls === undefined) return undefined;
  return {
    mode: tls.mode ?? "DISABLE",
    sni: tls.sni,
    subjectAltNames: tls.subjectAltNames,
    caCertificates: tls.caCertificates,
    clientCertificate: tls.clientCertificate,
    privateKey: tls.privateKey,
    credentialName: tls.credentialName === "" ? undefined : tls.credentialName,
    insecureSkipVerify: tls.insecureSkipVerify ?? false,
  };
}

/**
 * What a rule means for one subset ("" is the service as a whole) and port. A subset's settings
 * replace the rule's one by one; settings for the port replace everything around them.
 */
export function policyFor(
  rule: DestinationRuleRow | undefined,
  subset: string,
  port: number,
): TrafficPolicy {
  const whole = atPort(rule?.policy, port, {});
  const own = rule?.subsets.find(each => each.name === subset)?.policy;
  const found = subset === "" ? whole : atPort(own, port, whole);
  return { loadBalancer: found.loadBalancer ?? { kind: "LEAST_REQUEST" }, tls: found.tls };
}

type Settings = Partial<Omit<PolicySettings, "ports">>;

function atPort(policy: PolicySettings | undefined, port: number, outer: Settings): Settings {
  if (policy === undefined) return outer;
  const exact = policy.ports[port];
  if (exact !== undefined) return exact;
  return { loadBalancer: policy.loadBalancer ?? outer.loadBalancer, tls: policy.tls ?? outer.tls };
}

/**
 * The rule that holds for clients in `client` towards a service: their own namespace comes first,
 * then the service's, then the root namespace (Istio: "Destination Rule", `exportTo`). In the root
 * namespace, rules for everyone must not hide those that come with a service, so there only rules
 * kept to it come first.
 */
export function findRule(
  read: Reader,
  directory: RuleDirectory,
  service: Pick<ServiceShape, "hostname" | "namespace">,
  client: string,
  rootNamespace: string,
): RuleKey | undefined {
  const search = (namespace: string, usable: (entry: RuleEntry) => boolean): RuleKey | undefined =>
    findIn(read, directory, namespace, service.hostname, usable);
  const seen = (entry: RuleEntry): boolean => visibleTo(entry.exportTo, client);
  const kept = (entry: RuleEntry): boolean => isKeptTo(entry.exportTo, rootNamespace);
  return (
    search(client, client === rootNamespace ? kept : seen) ??
    search(service.namespace, seen) ??
    search(rootNamespace, seen)
  );
}

function isKeptTo(exportTo: Visibility, namespace: string): boolean {
  if (exportTo.kind !== "namespaces") return false;
  return exportTo.namespaces.length === 1 && exportTo.namespaces[0] === namespace;
}

/** The narrowest host comes first; of several rules for one host, the oldest. */
function findIn(
  read: Reader,
  directory: RuleDirectory,
  namespace: string,
  hostname: string,
  usable: (entry: RuleEntry) => boolean,
): RuleKey | undefined {
  const wildcards = read.get(directory.wildcards, namespace) ?? [];
  const hosts = wildcardsOf(hostname).filter(host => wildcards.includes(host));
  for (const host of [hostname, ...hosts]) {
    const found = read
      .rows(directory.byHost, `${namespace}/${host}`)
      .filter(usable)
      .sort((a, b) => compare(a.since, b.since) || compare(a.key, b.key))[0];
    if (found !== undefined) return found.key;
  }
  return undefined;
}
