/** networking.k8s.io/v1 IngressClass: which controller carries out the Ingresses that name it. */
import { ageColumn, column, textAt } from "../columns.ts";
import { defineKind, type ObjectOfKind } from "../define.ts";
import type { JsonObject } from "../kind.ts";
import { any, notYet, object, orElse, string } from "../schema.ts";

const fields = {
  spec: orElse(
    object({
      controller: string({
        description: "Who carries it out; istio.io/ingress-controller is the mesh.",
      }),
      parameters: notYet(any()),
    }),
    {},
  ),
};

export type IngressClass = ObjectOfKind<typeof fields>;

export const ingressClassKind = defineKind({
  group: "networking.k8s.io",
  versions: ["v1"],
  kind: "IngressClass",
  plural: "ingressclasses",
  namespaced: false,
  description: "Says which controller carries out the Ingresses of a class.",
  fields,
  columns: [
    column("Controller", "Who carries it out.", object => textAt(object, "spec", "controller")),
    column("Parameters", "More settings of the controller.", parametersText),
    ageColumn,
  ],
});

function parametersText(object: JsonObject): string {
  const name = textAt(object, "spec", "parameters", "name");
  return name === "" ? "<none>" : `${textAt(object, "spec", "parameters", "kind")}/${name}`;
}
