/** Kubernetes' rules for Deployments (apps/v1), in our words. */
import { selects } from "../label-selector.ts";
import { validatePodSpec } from "../pod/validate.ts";
import { pathOf, type Report } from "../report.ts";
import type { Deployment, LabelSelector } from "./schema.ts";

export function validateDeployment({ spec }: Deployment, report: Report): void {
  validateSelector(spec.selector, report);
  const { labels } = spec.template.metadata;
  if (!selects(spec.selector, labels))
    report.error(
      "spec.template.metadata.labels",
      "InvalidValue",
      "does not match spec.selector; want all of the labels that the selector names",
    );
  validatePodSpec(spec.template.spec, "spec.template.spec", report);
  const { restartPolicy } = spec.template.spec;
  if (restartPolicy !== "Always")
    report.error(
      "spec.template.spec.restartPolicy",
      "InvalidValue",
      `found ${restartPolicy}, want Always`,
    );
  validateStrategy(spec.strategy, report);
}

function validateSelector(selector: LabelSelector, report: Report): void {
  const { matchLabels, matchExpressions } = selector;
  if (Object.keys(matchLabels).length + matchExpressions.length === 0)
    report.error("spec.selector", "Required", "found no labels, want at least one");
  matchExpressions.forEach(({ operator, values }, i) => {
    const wantsValues = operator === "In" || operator === "NotIn";
    if (wantsValues === values.length > 0) return;
    report.error(
      pathOf("spec.selector.matchExpressions", i, "values"),
      wantsValues ? "Required" : "OneOf",
      wantsValues ? `is required for ${operator}` : `may not be set for ${operator}`,
    );
  });
}

function validateStrategy(strategy: Deployment["spec"]["strategy"], report: Report): void {
  const { type, rollingUpdate } = strategy;
  if (rollingUpdate === undefined) return;
  const path = "spec.strategy.rollingUpdate";
  if (type === "Recreate") report.error(path, "OneOf", "may not be set with type Recreate");
  const { maxSurge, maxUnavailable } = rollingUpdate;
  for (const [field, value] of Object.entries({ maxSurge, maxUnavailable }))
    if (typeof value === "number" && value < 0)
      report.error(`${path}.${field}`, "InvalidValue", `found ${value}, want at least 0`);
  if (isZero(maxSurge) && isZero(maxUnavailable))
    report.error(`${path}.maxUnavailable`, "InvalidValue", "may not be 0 when maxSurge is 0");
}

function isZero(value: number | string): boolean {
  return value === 0 || (typeof value === "string" && Number.parseInt(value, 10) === 0);
}
