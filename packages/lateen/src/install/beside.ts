/** What a control plane beside Istio's needs to belong to the same mesh: its root, and its names. */
import type { JsonObject } from "../api/kind.ts";
import { REVISION_LABEL } from "../api/revision-label.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { isObject, objectAt, stringAt } from "../sources/json.ts";
import { CONTROL_PLANES, isOther } from "../sources/kube/other-control-planes.ts";
import { readYamlValue } from "../sources/yaml.ts";
import { resourceOf } from "./objects.ts";
import type { Installation } from "./operator.ts";
import type { Finding } from "./precheck.ts";
import { configTexts } from "./render-config.ts";

export interface OtherControlPlane {
  readonly namespace: string;
  readonly name: string;
  /** `default` for the one without a name. */
  readonly revision: string;
}

const SECRETS = { group: "", versions: ["v1"], plural: "secrets", namespaced: true };
const CA_SECRETS = ["cacerts", "istio-ca-secret"];
/** What both must say alike, or their proxies do not know one another. */
const COMMON = ["trustDomain", "rootNamespace"];

/** Istio's control planes in the cluster; none where they can not be listed. */
export async function otherControlPlanes(client: ApiClient): Promise<readonly OtherControlPlane[]> {
  const list = await client.list(resourceOf("Deployment"), { labelSelector: CONTROL_PLANES });
  const others = list.ok ? list.value.items.filter(isOther) : [];
  return others.map(item => {
    const metadata = objectAt(item, "metadata");
    const revision = stringAt(objectAt(metadata, "labels"), REVISION_LABEL);
    const [namespace, name] = [stringAt(metadata, "namespace"), stringAt(metadata, "name")];
    return { namespace, name, revision: revision === "" ? "default" : revision };
  });
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
  for (const name of CA_SECRETS) {
    const secret = await client.get(SECRETS, namespace, name);
    if (!secret.ok && secret.status.code === 404) continue;
    // Who may not read it can not compare.
    if (!secret.ok || root === "") return [];
    const data = objectAt(secret.value, "data");
    const text = stringAt(data, "root-cert.pem") || stringAt(data, "ca.crt");
    const own = Buffer.from(text, "base64").toString().trim();
    if (own === "" || root.includes(own)) return [];
    const message = `the root in Secret ${namespace}/${name} is not the one that ${where} gives out`;
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
  const name = revision === "default" ? "istio" : `istio-${revision}`;
  const map = await client.get(resourceOf("ConfigMap"), namespace, name);
  if (!map.ok) return [];
  const theirs = yamlObject(stringAt(objectAt(map.value, "data"), "mesh"));
  const ours = yamlObject(configTexts(installation).mesh);
  return COMMON.flatMap(key => {
    const [their, our] = [stringAt(theirs, key), stringAt(ours, key)];
    if (their === "" || their === our) return [];
    const message =
      `meshConfig.${key} is ${their} in ConfigMap ${namespace}/${name} and would be ${our}: ` +
      `--set meshConfig.${key}=${their}`;
    return [{ severity: "warning" as const, message }];
  });
}

function yamlObject(text: string): JsonObject {
  const value = readYamlValue(text);
  return isObject(value) ? value : {};
}
