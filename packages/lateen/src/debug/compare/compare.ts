/** Compares what our control plane makes of a case with what the reference made of it. */
import {
  factsOf,
  RESOURCE_TYPES,
  type ReferenceCase,
  type ReferenceProxy,
  type ResourceFile,
  type Resources,
} from "./case.ts";
import { type ControlResult, control } from "./control.ts";
import { type Difference, differences } from "./diff.ts";
import { type Json, type JsonObject, stableText } from "./json.ts";
import { type IntendedDifference, type Rules, rewritten, rulesFor } from "./rewrite.ts";
import { messageNamed } from "./schema.ts";

/** What our control plane sends a proxy of the case, in canonical JSON, VHDS folded. */
export type BuildOurs = (of: ReferenceCase) => (proxy: ReferenceProxy) => Resources;

export interface FoundDifference extends Difference {
  readonly proxy: string;
  readonly type: ResourceFile;
  readonly resource: string;
}

export interface ResourcePair {
  readonly proxy: ReferenceProxy;
  readonly type: ResourceFile;
  readonly resource: string;
  readonly reference: JsonObject | undefined;
  readonly ours: JsonObject | undefined;
}

export interface CaseResult {
  readonly found: readonly FoundDifference[];
  readonly pairs: readonly ResourcePair[];
  /** How often each intended difference applied, by name. */
  readonly applied: ReadonlyMap<string, number>;
}

export interface BothRules {
  readonly reference: Rules;
  readonly ours: Rules;
}

export function bothRules(intended: readonly IntendedDifference[]): BothRules {
  return { reference: rulesFor(intended, "reference"), ours: rulesFor(intended, "ours") };
}

export function compareCase(of: ReferenceCase, build: BuildOurs, rules: BothRules): CaseResult {
  const buildFor = build(of);
  const pairs = of.proxies.flatMap(proxy => pairsOf(proxy, buildFor(proxy)));
  const applied = new Map<string, number>();
  const found: FoundDifference[] = [];
  for (const pair of pairs) {
    const facts = factsOf(pair.proxy);
    const type = messageNamed(RESOURCE_TYPES[pair.type]);
    const both = [
      pair.reference && rewritten(pair.reference, type, rules.reference, facts),
      pair.ours && rewritten(pair.ours, type, rules.ours, facts),
    ] as const;
    for (const side of both)
      for (const [name, count] of side?.applied ?? [])
        applied.set(name, (applied.get(name) ?? 0) + count);
    const { proxy, type: file, resource } = pair;
    for (const difference of differences(both[0]?.value, both[1]?.value, type))
      found.push({ ...difference, proxy: proxy.name, type: file, resource });
  }
  return { found, pairs, applied };
}

/** Resources by name, each with its counterpart, if there is one. */
function pairsOf(proxy: ReferenceProxy, ours: Resources): ResourcePair[] {
  const types: readonly ResourceFile[] = ["cds", "eds", "lds", "rds"];
  return types.flatMap(type => {
    const left = byName(proxy.resources[type]);
    const right = byName(ours[type]);
    const names = [...new Set([...left.keys(), ...right.keys()])].sort();
    return names.map(resource => ({
      proxy,
      type,
      resource,
      reference: left.get(resource),
      ours: right.get(resource),
    }));
  });
}

function byName(resources: readonly JsonObject[]): Map<string, JsonObject> {
  return new Map(resources.map(each => [String(each["name"] ?? each["clusterName"]), each]));
}

/** The control over many cases; equal pairs are looked at once and counted as often as they occur. */
export function controlAll(results: readonly CaseResult[], rules: BothRules): ControlResult {
  const known = new Map<string, ControlResult>();
  let [leaves, live, rewrittenLeaves] = [0, 0, 0];
  const hidden: string[] = [];
  const blind: string[] = [];
  for (const pair of results.flatMap(each => each.pairs)) {
    if (pair.reference === undefined) continue;
    const facts = factsOf(pair.proxy);
    const { reference, ours } = pair;
    const type = messageNamed(RESOURCE_TYPES[pair.type]);
    const key = stableText([reference, ours ?? null, facts] satisfies Json);
    let result = known.get(key);
    if (result === undefined) {
      result = control({ type, reference, ours, facts }, rules);
      known.set(key, result);
      hidden.push(...result.hidden.map(path => `${pair.type} ${pair.resource} ${path}`));
      blind.push(...result.blind.map(path => `${pair.type} ${pair.resource} ${path}`));
    }
    leaves += result.leaves;
    live += result.live;
    rewrittenLeaves += result.rewritten;
  }
  return { leaves, live, rewritten: rewrittenLeaves, hidden, blind };
}
