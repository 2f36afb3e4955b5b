/** security.istio.io AuthorizationPolicy. */
import { column } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import { creationColumn } from "../networking/columns.ts";
import { status } from "../networking/common.ts";
import { atMostOne, isSet, policySelector, targetRef, targetRefs } from "../policy/common.ts";
import { pathOf, type Report } from "../report.ts";
import { enumOf, list, notYet, object, required, type SchemaRule, string } from "../schema.ts";

const texts = list(string());
const accounts = list(string({ maxLength: 320 }), { maxItems: 16 });

const ACCOUNTS = ["serviceAccounts", "notServiceAccounts"];
const NOT_BESIDE_ACCOUNTS = ["principals", "notPrincipals", "namespaces", "notNamespaces"];

const ACCOUNTS_ALONE: SchemaRule = {
  rule:
    "!(has(self.serviceAccounts) || has(self.notServiceAccounts)) || " +
    "!(has(self.principals) || has(self.notPrincipals) || " +
    "has(self.namespaces) || has(self.notNamespaces))",
  message: "serviceAccounts do not go with principals or namespaces",
  holds: value => ACCOUNTS.every(unset(value)) || NOT_BESIDE_ACCOUNTS.every(unset(value)),
  found: value => {
    const [accounts, others] = [ACCOUNTS, NOT_BESIDE_ACCOUNTS].map(names =>
      names.filter(name => isSet(value, name)).join(" and "),
    );
    return `found ${accounts} beside ${others}, want one or the other`;
  },
  newOnly: true,
};

function unset(value: unknown): (name: string) => boolean {
  return name => !isSet(value, name);
}

const source = object(
  {
    principals: texts,
    notPrincipals: texts,
    requestPrincipals: texts,
    notRequestPrincipals: texts,
    namespaces: texts,
    notNamespaces: texts,
    serviceAccounts: accounts,
    notServiceAccounts: accounts,
    ipBlocks: texts,
    notIpBlocks: texts,
    remoteIpBlocks: texts,
    notRemoteIpBlocks: texts,
    trustDomains: texts,
    notTrustDomains: texts,
  },
  { rules: [ACCOUNTS_ALONE], description: "Who sends the request." },
);

const operation = object(
  {
    hosts: texts,
    notHosts: texts,
    ports: texts,
    notPorts: texts,
    methods: texts,
    notMethods: texts,
    paths: texts,
    notPaths: texts,
  },
  { description: "What is asked for." },
);

const rule = object({
  from: list(object({ source }), { maxItems: 512 }),
  to: list(object({ operation })),
  when: list(object({ key: required(string()), values: texts, notValues: texts })),
});

const fields = {
  spec: notYet(
    object(
      {
        selector: policySelector,
        targetRef,
        targetRefs,
        action: enumOf(["ALLOW", "DENY", "AUDIT", "CUSTOM"]),
        provider: object({ name: string() }),
        rules: list(rule, {
          maxItems: 512,
          description: "A request matches one of them, or none.",
        }),
      },
      { rules: [atMostOne("selector", "targetRef", "targetRefs")] },
    ),
  ),
  status,
};

export type AuthorizationPolicy = ObjectOfKind<typeof fields>;

/** What people write by mistake, and what means the opposite of what they may think. */
function validatePolicy({ spec }: AuthorizationPolicy, report: Report): void {
  const { action = "ALLOW", rules = [] } = spec ?? {};
  if (rules.length === 0)
    report.warning(
      "spec.rules",
      "NoRules",
      action === "ALLOW"
        ? "found no rule: such a policy denies every request to its workloads, and will once policies are carried out; to allow all, want rules: [{}]"
        : `found no rule: action ${action} without one takes no request`,
    );
  if (action !== "DENY") return;
  rules.forEach(({ from, to, when }, i) => {
    if (from.length + to.length + when.length > 0) return;
    const message = "found neither from, to nor when: this denies every request to its workloads";
    report.warning(pathOf("spec.rules", i), "MatchesEverything", message);
  });
}

export const authorizationPolicyKind = defineKind({
  group: "security.istio.io",
  versions: ["v1", "v1beta1"],
  kind: "AuthorizationPolicy",
  plural: "authorizationpolicies",
  shortNames: ["ap"],
  categories: ["istio-io", "security-istio-io"],
  subresources: ["status"],
  description: "Which requests workloads take.",
  fields,
  validate: validatePolicy,
  columns: [
    column("Action", "What is done with requests that match.", ".spec.action"),
    creationColumn,
  ],
});
