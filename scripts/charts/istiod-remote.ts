/** The template of chart istiod for clusters whose control plane is elsewhere (profiles remote and external). */
import type { Json, JsonObject } from "../../packages/lateen/src/api/kind.ts";
import { TODAY } from "../../packages/lateen/src/bin/install-input.ts";
import { renderParts } from "../../packages/lateen/src/bin/install-parts.ts";
import type { Installation } from "../../packages/lateen/src/install/operator.ts";
import { mergeObjects } from "../../packages/lateen/src/install/path.ts";
import { render } from "../../packages/lateen/src/install/render.ts";
import { BASIS, type Change, HOLES, REVISION, varied, withClient, withTexts } from "./istiod.ts";
import { chartObject, GENERATED } from "./objects.ts";
import { conditionalLines, hole, templateLines } from "./template.ts";
import type { Part, Tree } from "./tree.ts";

const REMOTE: Installation = { ...BASIS, components: { istiodRemote: { enabled: true } } };
const VALUES = ".Values";

const CHANGES: readonly Change[] = [
  REVISION,
  { when: `not ${VALUES}.configMap`, values: { pilot: { configMap: false } } },
  {
    when: `and (not ${VALUES}.revision) ${VALUES}.sidecarInjectorWebhook.enableNamespacesByDefault`,
    values: { sidecarInjectorWebhook: { enableNamespacesByDefault: true } },
  },
];

/** Address -> under which condition it is of its kind, in the order in which they are asked. */
const ADDRESSES: readonly (readonly [address: string, when: string])[] = [
  ["192.0.2.1", `if regexMatch "^[0-9]+([.][0-9]+){3}$" $address`],
  ["2001:db8::1", 'else if contains ":" $address'],
  ["istiod.example", "else if $address"],
];

function objectsOf(installation: Installation): JsonObject[] {
  const result = render(installation, renderParts("0", TODAY), { makeDefault: false });
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics));
  return result.value
    .map(each => each.object)
    .filter(object => object["kind"] !== "Namespace")
    .map(object => withTexts(chartObject(withClient(object), hole("remoteLabels"))));
}

const LEADS: ReadonlySet<Json | undefined> = new Set(["Service", "EndpointSlice"]);

/** Service `istiod`, as it leads to an address of one kind. */
function leadingTo(address: string): Tree {
  const values = { global: { remotePilotAddress: address } };
  return varied(
    installation => {
      const there = { ...installation, values: mergeObjects(installation.values, values) };
      const text = JSON.stringify(objectsOf(there).filter(({ kind }) => LEADS.has(kind)));
      return JSON.parse(text.replaceAll(`"${address}"`, `"${hole("remoteAddress")}"`)) as Json;
    },
    [REVISION],
    REMOTE,
  );
}

function linesOf(tree: Tree): string[] {
  const write = (part: Part): string[] => ["---", ...templateLines(part.tree, 0, HOLES)];
  return tree.type === "list" ? conditionalLines(tree.items, write) : [];
}

/** Path and text below the chart's folder. */
export function remoteTemplate(): [string, string] {
  const text = [
    GENERATED,
    `{{- if ${VALUES}.istiodRemote.enabled }}`,
    `{{- $address := ${VALUES}.global.remotePilotAddress | default "" }}`,
    ...linesOf(varied(objectsOf, CHANGES, REMOTE)),
    ...ADDRESSES.flatMap(([address, when]) => [`{{- ${when} }}`, ...linesOf(leadingTo(address))]),
    "{{- end }}",
    "{{- end }}",
    "",
  ].join("\n");
  return ["templates/remote.yaml", text];
}
