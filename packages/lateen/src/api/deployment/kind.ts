/** apps/v1 Deployment as a kind. */
import { ageColumn, at, column, numberAt, objectsAt, selectorText, textAt } from "../columns.ts";
import { isObject } from "../decode.ts";
import { defineKind } from "../define.ts";
import type { JsonObject } from "../kind.ts";
import { deploymentFields } from "./schema.ts";
import { validateDeployment } from "./validate.ts";

export const deploymentKind = defineKind({
  group: "apps",
  versions: ["v1"],
  kind: "Deployment",
  plural: "deployments",
  shortNames: ["deploy"],
  categories: ["all"],
  subresources: ["status", "scale"],
  description: "A number of equal pods, replaced step by step when their template changes.",
  fields: deploymentFields,
  columns: [
    column("Ready", "Pods that are ready, of those wanted.", readyText),
    column(
      "Up-to-date",
      "Pods of the newest template.",
      d => numberAt(d, "status", "updatedReplicas"),
      {
        type: "integer",
      },
    ),
    column("Available", "Pods that may be used.", d => numberAt(d, "status", "availableReplicas"), {
      type: "integer",
    }),
    ageColumn,
    column("Containers", "Names.", d => containersText(d, "name"), { wide: true }),
    column("Images", "Images.", d => containersText(d, "image"), { wide: true }),
    column("Selector", "Labels of its pods.", selectorCell, { wide: true }),
  ],
  validate: validateDeployment,
  defaults: withStrategy,
});

/** The limits of a rolling update are only there for that type. */
function withStrategy(json: JsonObject): JsonObject {
  const strategy = at(json, "spec", "strategy");
  const spec = json["spec"];
  if (!isObject(spec) || !isObject(strategy) || strategy["type"] !== "RollingUpdate") return json;
  if (isObject(strategy["rollingUpdate"])) return json;
  const rollingUpdate = { maxSurge: "25%", maxUnavailable: "25%" };
  return { ...json, spec: { ...spec, strategy: { ...strategy, rollingUpdate } } };
}

function readyText(deployment: JsonObject): string {
  const wanted = at(deployment, "spec", "replicas");
  const ready = numberAt(deployment, "status", "readyReplicas");
  return `${ready}/${typeof wanted === "number" ? wanted : 1}`;
}

function containersText(deployment: JsonObject, field: string): string {
  const containers = objectsAt(deployment, "spec", "template", "spec", "containers");
  return containers.map(container => textAt(container, field)).join(",");
}

function selectorCell(deployment: JsonObject): string {
  return selectorText(at(deployment, "spec", "selector", "matchLabels"));
}
