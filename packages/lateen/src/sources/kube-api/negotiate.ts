/** What form of answer a client accepts (Kubernetes' media type parameters `as`, `g`, `v`). */

export interface Accepted {
  /** `Table`, `PartialObjectMetadata`, `PartialObjectMetadataList`, `APIGroupDiscoveryList` or "". */
  readonly as: string;
  /** Version of the form. */
  readonly version: string;
  readonly yaml: boolean;
}

const plainJson: Accepted = { as: "", version: "", yaml: false };
const MAX_HEADER = 4096;

/** The first form in the client's order that is one of ours; undefined when there is none. */
export function negotiate(header: string, forms: readonly string[]): Accepted | undefined {
  if (header === "") return plainJson;
  for (const range of header.slice(0, MAX_HEADER).split(",")) {
    const [type = "", ...rest] = range.split(";").map(part => part.trim());
    const parameters = new Map<string, string>();
    for (const parameter of rest) {
      const [key = "", value = ""] = parameter.split("=");
      parameters.set(key, value);
    }
    const yaml = type === "application/yaml";
    const json = ["application/json", "application/*", "*/*", "text/html"].includes(type);
    if (!json && !yaml) continue;
    const as = parameters.get("as") ?? "";
    const version = parameters.get("v") ?? "";
    if (as === "") return { as: "", version: "", yaml };
    // Their beta forms differ; every client that asks for one asks for the other, too.
    const stable = as === "APIGroupDiscoveryList" ? version === "v2" : version === "v1";
    if (forms.includes(as) && stable && json) return { as, version, yaml: false };
  }
  return undefined;
}
