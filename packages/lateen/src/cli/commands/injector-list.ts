/** `lateen x injector list`: namespaces, their injectors, and pods that have another one's sidecar. */
import type { JsonObject } from "../../api/kind.ts";
import { selects } from "../../api/label-selector.ts";
import { isObject, objectAt, stringAt } from "../../sources/json.ts";
import { readYamlValue } from "../../sources/yaml.ts";
import { type Command, stringFlag } from "../command.ts";
import type { MeshAccess } from "../context.ts";
import {
  annotationsOf,
  type InjectionHook,
  injectionHooks,
  type Labels,
  labelsOf,
  listOf,
  nameOf,
} from "../objects/webhooks.ts";
import { renderTable } from "../tabwriter.ts";

export const injectorCommand: Command = {
  name: "injector",
  summary: "Lists sidecar injectors and sidecar versions",
  subcommands: [
    {
      name: "list",
      summary: "Lists namespaces with their injectors, and injectors with their namespaces",
      flags: [
        {
          name: "istioNamespace",
          short: "i",
          kind: "string",
          description: "Namespace of the control plane",
          default: "istio-system",
        },
      ],
      examples: ["lateen x injector list"],
      async run(ctx, call) {
        const mesh = await ctx.mesh();
        const system = stringFlag(call, "istioNamespace") ?? "istio-system";
        const namespaces = (await listOf(mesh, "/api/v1/namespaces"))
          .filter(each => !isSystem(nameOf(each), system))
          .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
        const hooks = await injectionHooks(mesh);
        const pods = await listOf(mesh, "/api/v1/pods");
        ctx.stdout.write(namespaceTable(namespaces, hooks, pods));
        ctx.stdout.write("\n");
        ctx.stdout.write(hookTable(namespaces, hooks, await images(mesh)));
        return 0;
      },
    },
  ],
};

const SYSTEM: readonly string[] = [
  "kube-system",
  "kube-public",
  "kube-node-lease",
  "local-path-storage",
];

function isSystem(name: string, istioNamespace: string): boolean {
  return SYSTEM.includes(name) || name === istioNamespace;
}

function namespaceTable(
  namespaces: readonly JsonObject[],
  hooks: readonly InjectionHook[],
  pods: readonly JsonObject[],
): string {
  const rows = namespaces.flatMap(namespace => {
    const name = nameOf(namespace);
    const own = pods.filter(pod => stringAt(objectAt(pod, "metadata"), "namespace") === name);
    const revision = expectedRevision(labelsOf(namespace), hooks);
    return counted(own, revision).map(text => [name, revision, text]);
  });
  if (rows.length === 0) return "No Istio injected namespaces present.\n";
  return renderTable([["NAMESPACE", "ISTIO-REVISION", "POD-REVISIONS"], ...rows], { padding: 1 });
}

/** "" where the namespace is not injected; `MISSING/...` where nothing answers to its label. */
function expectedRevision(labels: Labels, hooks: readonly InjectionHook[]): string {
  const hook = hooks.find(each => injectsAll(each, labels));
  if (hook !== undefined) return hook.revision;
  const wanted = labels["istio.io/rev"];
  if (wanted !== undefined) return `MISSING/${wanted}`;
  return labels["istio-injection"] === "enabled" ? "MISSING/istio-injection" : "";
}

/** Whether a pod that says nothing gets a sidecar in such a namespace. */
function injectsAll(hook: InjectionHook, namespaceLabels: Labels): boolean {
  return hook.webhooks.some(
    ({ namespaces, objects }) => selects(namespaces, namespaceLabels) && selects(objects, {}),
  );
}

/** One text for each revision that pods of the namespace have. */
function counted(pods: readonly JsonObject[], expected: string): string[] {
  if (pods.length === 0) return expected === "" ? [] : ["<no pods>"];
  const groups = new Map<string, JsonObject[]>();
  for (const pod of pods) {
    const revision = revisionOf(pod);
    groups.set(revision, [...(groups.get(revision) ?? []), pod]);
  }
  return [...groups].sort().map(([revision, members]) => {
    const disabled = members.filter(isDisabled).length;
    const restart = revision === expected ? 0 : members.length - disabled;
    return [
      `${revision === "" ? "<non-Istio>" : revision}: ${members.length}`,
      ...(disabled > 0 ? [` (injection disabled: ${disabled})`] : []),
      ...(restart > 0 ? [` NEEDS RESTART: ${restart}`] : []),
    ].join("");
  });
}

function revisionOf(pod: JsonObject): string {
  const status = readYamlValue(annotationsOf(pod)["sidecar.istio.io/status"] ?? "");
  return isObject(status) ? stringAt(status, "revision") : "";
}

function isDisabled(pod: JsonObject): boolean {
  const name = "sidecar.istio.io/inject";
  return (labelsOf(pod)[name] ?? annotationsOf(pod)[name] ?? "").toLowerCase() === "false";
}

function hookTable(
  namespaces: readonly JsonObject[],
  hooks: readonly InjectionHook[],
  image: ReadonlyMap<string, string>,
): string {
  if (hooks.length === 0) return "No Istio injection hooks present.\n";
  const rows = hooks.flatMap(hook => {
    const names = namespaces.filter(each => injectsAll(hook, labelsOf(each))).map(nameOf);
    const places = names.length === 0 ? ["DOES NOT AUTOINJECT"] : names;
    return places.map(name => [name, hook.name, hook.revision, image.get(hook.revision) ?? ""]);
  });
  const header = ["NAMESPACES", "INJECTOR-HOOK", "ISTIO-REVISION", "SIDECAR-IMAGE"];
  return renderTable([header, ...rows], { padding: 1 });
}

/** The proxy's image by revision, from the injectors' values. */
async function images(mesh: MeshAccess): Promise<ReadonlyMap<string, string>> {
  const maps = await listOf(mesh, "/api/v1/configmaps?labelSelector=istio.io%2Frev");
  return new Map(
    maps.flatMap((map): [string, string][] => {
      const values = readYamlValue(stringAt(objectAt(map, "data"), "values"));
      if (!isObject(values)) return [];
      const global = objectAt(values, "global");
      const image = stringAt(objectAt(global, "proxy"), "image") || "proxyv2";
      const whole = image.includes("/")
        ? image
        : `${stringAt(global, "hub")}/${image}:${String(global["tag"] ?? "")}`;
      return [[labelsOf(map)["istio.io/rev"] ?? "", whole]];
    }),
  );
}
