import type { Deployment } from "../api/deployment/schema.ts";

type Labels = Readonly<Record<string, string>>;
type LabelSelector = Deployment["spec"]["selector"];

export function hasLabels(wanted: Labels, labels: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** Kubernetes' label selectors; an empty one selects everything. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  if (!hasLabels(selector.matchLabels, labels)) return false;
  return (selector.matchExpressions ?? []).every(expression => holds(expression, labels));
}

function holds(expression: LabelSelector["matchExpressions"][number], labels: Labels): boolean {
  const value = labels[expression.key];
  const listed = value !== undefined && (expression.values ?? []).includes(value);
  switch (expression.operator) {
    case "In":
      return listed;
    case "NotIn":
      return !listed;
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
