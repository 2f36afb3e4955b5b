/** What the policy kinds of Istio share: how they choose the workloads they are for. */
import { labelValue, qualifiedName } from "../names.ts";
import { list, map, object, required, type SchemaRule, string } from "../schema.ts";

/** For a map of labels in a selector. Our decoder checks each key and value for itself. */
export const labelKeyRules: readonly SchemaRule[] = [
  { rule: 'self.all(k, !k.contains("*"))', message: "keys of labels hold no *" },
  { rule: 'self.all(k, k != "")', message: "keys of labels are not empty" },
];
export const labelValueRules: readonly SchemaRule[] = [
  { rule: '!self.contains("*")', message: "values of labels hold no *" },
];

/** Of these fields one at most; says so better than OpenAPI's `oneOf` does. */
export function atMostOne(...names: readonly string[]): SchemaRule {
  const set = names.map(name => `has(self.${name})`).join(", ");
  return {
    rule: `[${set}].filter(is, is).size() <= 1`,
    message: `at most one of ${names.join(", ")} may be set`,
    holds: value => names.filter(name => isSet(value, name)).length <= 1,
  };
}

/** Lists that are absent are decoded as empty ones. */
export function isSet(value: unknown, name: string): boolean {
  const field = fieldOf(value, name);
  return Array.isArray(field) ? field.length > 0 : field !== undefined;
}

/** Of a decoded object, for rules. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

export const matchLabels = map(
  string({ check: labelValue, maxLength: 63, rules: labelValueRules }),
  { keyCheck: qualifiedName, maxProperties: 4096, rules: labelKeyRules },
);

export const policySelector = object(
  { matchLabels },
  { description: "The workloads in the same namespace that this is for. Absent: all." },
);

const GROUP = "^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

export const targetRef = object(
  {
    group: string({ maxLength: 253, pattern: GROUP }),
    kind: required(
      string({ minLength: 1, maxLength: 63, pattern: "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$" }),
    ),
    name: required(string({ minLength: 1, maxLength: 253 })),
    namespace: string({
      rules: [
        {
          rule: 'self == ""',
          message: "must be empty: an object of another namespace can not be named",
          holds: value => value === "",
        },
      ],
    }),
  },
  { description: "An object in the same namespace, such as a Gateway or a Service." },
);

export const targetRefs = list(targetRef, {
  maxItems: 16,
  description: "The objects that this is for, instead of a selector.",
});
