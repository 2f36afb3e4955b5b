/** What a control plane beside Istio's needs to belong to the same mesh: its root, and its names. */
import type { JsonObject } from "../api/kind.ts";
import { REVISION_LABEL } from "../api/revision-label.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { arrayAt, isArray, isObject, objectAt, stringAt, valueAt } from "../sources/json.ts";
import {
  CONTROL_PLANES,
  isOther,
  webhookNamespaces,
} from "../sources/kube/other-control-planes.ts";
import { readYamlValue } from "../sources/yaml.ts";
import { CA_SECRETS, meshConfigMap, meshConfigOf, rootIn } from "./mesh-roots.ts";
import { resourceOf } from "./objects.ts";
import type { Installation } from "./operator.ts";
import type { Finding } from "./precheck.ts";
import { configTexts } from "./render-config.ts";
import { labelOf } from "./revision-tags.ts";

export interface OtherControlPlane {
  readonly namespace: string;
  readonly name: string;
  /** `default` for the one without a name. */
  readonly revision: string;
}

/** What both must say alike, or their proxies do not know one another. */
const COMMON = ["trustDomain", "rootNamespace"];

/**
 * Istio's control planes in the cluster; none where they can not be listed. `namespaces` are our own ones.
 * The label alone is written by whoever may write a Deployment: what carries it elsewhere counts where a
 * webhook leads to its namespace, or where it runs what Istio's runs.
 */
export async function otherControlPlanes(
  client: ApiClient,
  namespaces: readonly string[],
): Promise<readonly OtherControlPlane[]> {
  const list = await client.list(resourceOf("Deployment"), { labelSelector: CONTROL_PLANES });
  const labelled = list.ok ? list.value.items.filter(isOther) : [];
  const led = labelled.length === 0 ? [] : await namespacesLedTo(client);
  const isReal = (item: JsonObject): boolean => {
    const namespace = stringAt(objectAt(item, "metadata"), "namespace");
    if (led === undefined || namespaces.includes(namespace)) return true;
    return led.includes(namespace) || runsDiscovery(item);
  };
  return labelled.filter(isReal).map(item => {
    const metadata = objectAt(item, "metadata");
    const revision = labelOf(item, REVISION_LABEL);
    const [namespace, name] = [stringAt(metadata, "namespace"), stringAt(metadata, "name")];
    return { namespace, name, revision: revision === "" ? "default" : revision };
  });
}

const INJECTORS = "app=sidecar-injector";

/** By webhooks that inject or validate; undefined: nobody says, and what is labelled has to be believed. */
async function namespacesLedTo(client: ApiClient): Promise<readonly string[] | undefined> {
  const found: string[] = [];
  for (const [kind, labelSelector] of [
    ["MutatingWebhookConfiguration", INJECTORS],
    ["ValidatingWebhookConfiguration", CONTROL_PLANES],
  ] as const) {
    const list = await client.list(resourceOf(kind), { labelSelector });
    if (!list.ok) return undefined;
    found.push(...list.value.items.flatMap(webhookNamespaces));
  }
  return found;
}

/** Container `discovery` with this word of the command line, as every Istio's has it. */
function runsDiscovery(deployment: JsonObject): boolean {
  const containers = valueAt(deployment, "spec.template.spec.containers");
  return (isArray(containers) ? containers.filter(isObject) : []).some(
    each => each["name"] === "discovery" && arrayAt(each, "args").includes("discovery"),
  );
}

export async function checkBeside(
  client: ApiClient,
  installation: Installation,
  others: readonly OtherControlPlane[],
): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (const other of others) {
    found.push(...(await checkRoot(client, installation.namespace, other)));
    found.push(...(await checkMesh(client, installation, other)));
  }
  return found;
}

/** The root that Istio gives out must be the one of the CA that we would sign with. */
export async function checkRoot(
  client: ApiClient,
  namespace: string,
  other: OtherControlPlane,
): Promise<Finding[]> {
  const given = await client.get(resourceOf("ConfigMap"), other.namespace, "istio-ca-root-cert");
  const root = given.ok ? stringAt(objectAt(given.value, "data"), "root-cert.pem").trim() : "";
  const where = `${other.namespace}/${other.name}`;
  const own = await rootIn(client, namespace);
  if (own.kind === "unknown") return [];
  if (own.kind === "given") {
    // Who may not read what is given out can not compare.
    if (own.pem === "" || root === "" || root.includes(own.pem)) return [];
    const message = `the root in Secret ${namespace}/${own.secret} is not the one that ${where} gives out`;
    return [
      { severity: "error", message: `${message}: their proxies could not talk to each other` },
    ];
  }
  const message =
    `namespace ${namespace} has neither Secret ${CA_SECRETS.join(" nor ")}: the CA of ${where} is elsewhere, ` +
    "and this control plane would make a root of its own, which Istio's proxies do not trust";
  return [{ severity: "error", message }];
}

async function checkMesh(
  client: ApiClient,
  installation: Installation,
  { namespace, revision }: OtherControlPlane,
): Promise<Finding[]> {
  const theirs = await meshConfigOf(client, namespace, revision);
  const ours = yamlObject(configTexts(installation).mesh);
  return COMMON.flatMap(key => {
    const [their, our] = [stringAt(theirs, key), stringAt(ours, key)];
    if (their === "" || their === our) return [];
    const message =
      `meshConfig.${key} is ${their} in ConfigMap ${namespace}/${meshConfigMap(revision)} and would be ${our}: ` +
      `--set meshConfig.${key}=${their}`;
    return [{ severity: "warning" as const, message }];
  });
}

function yamlObject(text: string): JsonObject {
  const value = readYamlValue(text);
  return isObject(value) ? value : {};
}
