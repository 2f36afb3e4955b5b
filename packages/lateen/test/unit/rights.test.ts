/**
 * What a control plane asks of an API server against the rights that it is installed with: one is
 * watched, the other read from the installer and from the chart, so that neither is a list kept by hand.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse, stringify } from "yaml";
import { allKinds } from "../../src/api/registry.ts";
import { arrayAt, isObject, stringAt } from "../../src/sources/json.ts";
import { MESH_GROUPS } from "../../src/sources/kube/kube-source.ts";
import { installed } from "../support/chart-objects.ts";
import { eventually } from "../support/envoy-process.ts";
import { recordedDiscovery } from "../support/recorded-discovery.ts";
import { type Asked, RecordingApi } from "../support/recording-api.ts";

const SYSTEM = "istio-system";
const CHART = "../../../../manifests/charts/istio-control/istio-discovery/templates";
/** Kinds of the mesh's groups that are counted and not read, as any of theirs may be. */
const UNREAD = ["gatewayclasses", "gateways", "httproutes", "referencegrants"].map(
  plural => `${plural}.gateway.networking.k8s.io`,
);
const CRDS = [
  ...allKinds
    .filter(kind => MESH_GROUPS.has(kind.group))
    .map(({ plural, group }) => `${plural}.${group}`),
  ...UNREAD,
  "newthings.networking.istio.io",
];

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Rights {
  readonly everywhere: readonly Rule[];
  readonly own: readonly Rule[];
}

function allows(rules: readonly Rule[], { group, resource, verb }: Asked): boolean {
  return rules.some(
    rule =>
      rule.apiGroups.includes(group) &&
      (rule.resources.includes(resource) || rule.resources.includes("*")) &&
      rule.verbs.includes(verb),
  );
}

function missing(asked: readonly Asked[], { everywhere, own }: Rights): string[] {
  const denied = asked.filter(each => {
    if (each.resource === "" || allows(everywhere, each)) return false;
    return each.namespace !== SYSTEM || !allows(own, each);
  });
  return [...new Set(denied.map(each => `${each.verb} ${each.resource} ${each.group}`.trim()))];
}

function rulesOf(value: unknown): Rule[] {
  assert.ok(Array.isArray(value) && value.length > 0, "a role without rules");
  return value as Rule[];
}

function installerRights(): Rights {
  const objects = installed({}, "Pilot");
  const rules = (kind: string): Rule[] =>
    objects
      .filter(each => each["kind"] === kind && stringAt(each, "apiVersion").startsWith("rbac."))
      .flatMap(each => rulesOf(arrayAt(each, "rules").filter(isObject)));
  return { everywhere: rules("ClusterRole"), own: rules("Role") };
}

/** The rules of the chart hold no template. */
function chartRights(): Rights {
  const rules = (file: string): Rule[] => {
    const text = readFileSync(join(import.meta.dirname, CHART, file), "utf8");
    const [, after = ""] = text.split("\nrules:\n");
    return rulesOf(parse(after.split(/^\{\{|^---/m)[0] ?? ""));
  };
  return { everywhere: rules("clusterrole.yaml"), own: rules("role.yaml") };
}

/** Everything that a control plane with webhooks, which leads, asks until it watches all that it does. */
async function askedOf(t: TestContext, crds: readonly string[]): Promise<readonly Asked[]> {
  const api = new RecordingApi(crds);
  await recordedDiscovery(t, api);
  const watched = (name: string): boolean =>
    api.asked.some(each => each.verb === "watch" && `${each.resource}.${each.group}` === name);
  await eventually("every kind that there is is watched", () => crds.every(watched));
  await eventually("the roots are kept, which the leader does", () =>
    api.asked.some(
      each => each.verb !== "get" && each.resource === "configmaps" && each.namespace === "default",
    ),
  );
  return api.asked;
}

test("what is asked of a cluster is what installer and chart give the right to", async t => {
  const asked = await askedOf(t, CRDS);
  const kinds = new Set(asked.filter(each => each.verb === "list").map(each => each.resource));
  assert.ok(kinds.size > 20, [...kinds].join(" "));
  for (const rights of [installerRights(), chartRights()]) {
    assert.deepEqual(missing(asked, rights), []);
    // It would be seen: without a rule something is missing.
    for (const [i, rule] of rights.everywhere.entries()) {
      if (!rule.verbs.includes("list")) continue;
      const less = { ...rights, everywhere: rights.everywhere.filter((_, at) => at !== i) };
      const isAsked = asked.some(each => allows([rule], each));
      assert.equal(missing(asked, less).length > 0, isAsked, stringify(rule));
    }
  }
});
