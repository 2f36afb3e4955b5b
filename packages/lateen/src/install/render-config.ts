/** ConfigMaps `istio` and `istio-sidecar-injector`: what control plane and injector are configured by. */
import { stringify } from "yaml";
import type { Json, JsonObject } from "../api/kind.ts";
import { objectAt } from "../sources/json.ts";
import { type Installation, isEnabled, revisionSuffix } from "./operator.ts";
import { mergeObjects } from "./path.ts";

/** The texts in the ConfigMaps. */
export interface ConfigTexts {
  readonly mesh: string;
  readonly meshNetworks: string;
  readonly config: string;
  readonly values: string;
}

const XDS_PORT = 15012;

export function configTexts(installation: Installation): ConfigTexts {
  return {
    mesh: yaml(meshOf(installation)),
    meshNetworks: yaml({
      networks: objectAt(objectAt(installation.values, "global"), "meshNetworks"),
    }),
    config: yaml(injectorConfig(installation)),
    values: `${JSON.stringify(injectorValues(installation), undefined, 2)}\n`,
  };
}

function yaml(value: Json): string {
  const style = { indentSeq: false, sortMapEntries: true, lineWidth: 0 };
  return stringify(value, { ...style, aliasDuplicateObjects: false, compat: "yaml-1.1" });
}

export function configMaps(installation: Installation): JsonObject[] {
  const texts = configTexts(installation);
  const suffix = revisionSuffix(installation);
  const { namespace, values } = installation;
  const own = objectAt(values, "pilot")["configMap"] !== false || isEnabled(installation, "pilot");
  const map = (name: string, data: JsonObject): JsonObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${name}${suffix}`, namespace },
    data,
  });
  return [
    ...(own ? [map("istio", { mesh: texts.mesh, meshNetworks: texts.meshNetworks })] : []),
    map("istio-sidecar-injector", { config: texts.config, values: texts.values }),
  ];
}

function meshOf(installation: Installation): JsonObject {
  const { namespace, values, meshConfig } = installation;
  const { meshID, network, remotePilotAddress } = objectAt(values, "global");
  const sampling = objectAt(values, "pilot")["traceSampling"];
  const base: JsonObject = {
    rootNamespace: namespace,
    trustDomain: "cluster.local",
    defaultConfig: {
      discoveryAddress: `${discoveryHost(installation)}:${XDS_PORT}`,
      ...(typeof meshID === "string" && meshID !== "" ? { meshId: meshID } : {}),
      ...(typeof sampling === "number" ? { tracing: { sampling } } : {}),
    },
  };
  const toNetwork = typeof network === "string" && network !== "";
  const remote = typeof remotePilotAddress === "string" && remotePilotAddress !== "";
  const metadata = {
    ...(toNetwork ? { ISTIO_META_NETWORK: network } : {}),
    ...(remote ? { ISTIO_META_REMOTE_PILOT: remotePilotAddress } : {}),
  };
  const withMetadata =
    Object.keys(metadata).length === 0
      ? base
      : mergeObjects(base, { defaultConfig: { proxyMetadata: metadata } });
  return mergeObjects(withMetadata, meshConfig);
}

function discoveryHost(installation: Installation): string {
  return `istiod${revisionSuffix(installation)}.${installation.namespace}.svc`;
}

/** Istio's ConfigMap has the templates here; ours are built in, and those of the values are added. */
function injectorConfig({ values }: Installation): JsonObject {
  const { autoInject } = objectAt(objectAt(values, "global"), "proxy");
  const webhook = objectAt(values, "sidecarInjectorWebhook");
  const { alwaysInjectSelector, neverInjectSelector, injectedAnnotations } = webhook;
  const { templates, defaultTemplates } = webhook;
  return {
    policy: autoInject ?? "enabled",
    alwaysInjectSelector: alwaysInjectSelector ?? [],
    neverInjectSelector: neverInjectSelector ?? [],
    injectedAnnotations: injectedAnnotations ?? {},
    templates: templates ?? {},
    defaultTemplates: defaultTemplates ?? [],
  };
}

/**
 * Those of the values that injection and its templates read, as Istio's charts choose them, with hub,
 * tag and revision in their places.
 */
function injectorValues(installation: Installation): JsonObject {
  const { values, hub, tag, revision, namespace } = installation;
  return mergeObjects(
    {
      ...picked(values, ["cni", "global", "istio_cni", "sidecarInjectorWebhook"]),
      pilot: picked(objectAt(values, "pilot"), ["cni", "env", "ipFamilies"]),
    },
    {
      revision: revision === "default" ? "" : revision,
      global: { hub, tag, istioNamespace: namespace },
    },
  );
}

function picked(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(
    keys.flatMap(key => (object[key] === undefined ? [] : [[key, object[key]]])),
  );
}
