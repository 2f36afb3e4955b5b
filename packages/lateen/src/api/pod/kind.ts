/** core/v1 Pod as a kind. */
import { ageColumn, column, textAt } from "../columns.ts";
import { defineKind } from "../define.ts";
import { readyText, restartsText, statusText } from "./columns.ts";
import { podFields } from "./schema.ts";
import { validatePodSpec } from "./validate.ts";

export const podKind = defineKind({
  group: "",
  versions: ["v1"],
  kind: "Pod",
  plural: "pods",
  shortNames: ["po"],
  categories: ["all"],
  subresources: ["status"],
  description: "Containers that run together and share an address.",
  fields: podFields,
  columns: [
    column("Ready", "Containers that are ready, of all.", readyText),
    column("Status", "What the pod is doing.", statusText),
    column("Restarts", "How often containers were started again.", restartsText),
    ageColumn,
    column("IP", "Address.", pod => textAt(pod, "status", "podIP") || "<none>", { wide: true }),
    column("Node", "Where it runs.", pod => textAt(pod, "spec", "nodeName") || "<none>", {
      wide: true,
    }),
    column(
      "Nominated Node",
      "Where it may run after preemption.",
      pod => textAt(pod, "status", "nominatedNodeName") || "<none>",
      { wide: true },
    ),
    column("Readiness Gates", "Conditions that also have to hold.", () => "<none>", { wide: true }),
  ],
  validate: (pod, report) => validatePodSpec(pod.spec, "spec", report),
});
