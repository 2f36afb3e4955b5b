/** Findings about DestinationRules: hosts that nobody has, and what an older rule has already. */
import type { DestinationRule } from "../api/destination-rule/schema.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { Graph, Index, Reader } from "../flow/types.ts";
import { type Findings, findingsKey, warning } from "./finding.ts";
import { isWildcard, resolveHost } from "./hosts.ts";
import { meshNames } from "./mesh.ts";
import type { Model } from "./model.ts";
import { type Aged, byAge } from "./order.ts";
import { visibilityOf } from "./visibility.ts";

/** What one rule claims for its host. */
interface Claim extends Aged {
  readonly host: string;
  /** Rules for other audiences do not meet. */
  readonly audience: string;
  readonly hasPolicy: boolean;
  readonly subsets: readonly string[];
}

export function ruleFindings(graph: Graph, model: Omit<Model, "findings">): Findings {
  const { names, shapesByHostname, inputs } = model;
  const claims = graph.derive<DestinationRule, Claim>(
    inputs.destinationRules,
    { name: "claims of DestinationRules", reads: [names] },
    (_key, rule, read) => claimOf(rule, meshNames(read, names).domain),
  );
  const byHost = graph.index(claims, "DestinationRule claims by host", (_key, claim) => [
    bucketOf(claim),
  ]);
  return graph.deriveMany<Claim, readonly Diagnostic[]>(
    claims,
    { name: "findings of DestinationRule", reads: [byHost, shapesByHostname] },
    (_key, claim, read) => {
      const found = [...hostFindings(claim, read, model), ...conflicts(claim, read, byHost)];
      return found.length === 0 ? [] : [[findingsKey("DestinationRule", claim), found]];
    },
  );
}

function claimOf({ metadata, spec }: DestinationRule, domain: string): Claim {
  const { namespace, name, creationTimestamp } = metadata;
  return {
    namespace,
    name,
    creationTimestamp,
    host: resolveHost(spec.host, namespace, domain),
    audience: JSON.stringify(visibilityOf(spec.exportTo, namespace)),
    hasPolicy: spec.trafficPolicy !== undefined,
    subsets: spec.subsets.map(subset => subset.name),
  };
}

function bucketOf({ namespace, host, audience }: Claim): string {
  return `${namespace}/${host}|${audience}`;
}

/** Wildcards may be there for services to come. */
function hostFindings(
  { host }: Claim,
  read: Reader,
  { shapesByHostname }: Pick<Model, "shapesByHostname">,
): Diagnostic[] {
  if (isWildcard(host) || read.keysOf(shapesByHostname, host).length > 0) return [];
  return [warning("spec.host", "UnknownDestinationRuleHost", `found no service for host ${host}`)];
}

/** Rules for one host are merged, the older one first. */
function conflicts(claim: Claim, read: Reader, byHost: Index<Claim>): Diagnostic[] {
  const older = read.rows(byHost, bucketOf(claim)).filter(other => byAge(other, claim) < 0);
  const found: Diagnostic[] = [];
  const winner = older.find(other => other.hasPolicy);
  if (claim.hasPolicy && winner !== undefined)
    found.push(
      warning(
        "spec.trafficPolicy",
        "ConflictingDestinationRules",
        `has no effect: DestinationRule ${winner.name}, which is older, has one for ${claim.host}`,
      ),
    );
  claim.subsets.forEach((subset, i) => {
    const first = older.find(other => other.subsets.includes(subset));
    if (first === undefined) return;
    found.push(
      warning(
        `spec.subsets[${i}].name`,
        "ConflictingDestinationRules",
        `has no effect: DestinationRule ${first.name}, which is older, defines ${subset} too`,
      ),
    );
  });
  return found;
}
