/** The CustomResourceDefinitions that an installation brings: Istio's kinds, all from our schemas. */
import { customResourceDefinition, isCustomResource } from "./crd.ts";
import type { JsonObject } from "./kind.ts";
import { allKinds } from "./registry.ts";

/** In the order of their names; the same objects each time, byte for byte, for one version of ours. */
export function customResourceDefinitions(): readonly JsonObject[] {
  return allKinds
    .filter(isCustomResource)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .map(customResourceDefinition);
}

function nameOf({ plural, group }: { readonly plural: string; readonly group: string }): string {
  return `${plural}.${group}`;
}
