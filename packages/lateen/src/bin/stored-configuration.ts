/**
 * What a control plane finds in its namespace when it comes: ConfigMaps that hold its configuration, and the
 * CA. Whatever of it this version would refuse is told beforehand.
 */
import { configMapKind } from "../api/config-map/kind.ts";
import type { JsonObject } from "../api/kind.ts";
import { secretKind } from "../api/secret/kind.ts";
import { openAuthority } from "../ca/authority.ts";
import { decodeSecretData } from "../ca/ca-secrets.ts";
import { caSecret, PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET } from "../ca/root.ts";
import { readInjectorConfig } from "../inject/config.ts";
import type { Finding } from "../install/precheck.ts";
import { problemsOf } from "../install/stored-objects.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt, stringAt } from "../sources/json.ts";
import { defaultMesh, readMeshConfigMap } from "./mesh-config-input.ts";

const MESH_MAP = /^istio(-.+)?$/;
const INJECTOR_MAP = /^istio-sidecar-injector(-.+)?$/;

/** `now`: milliseconds since the epoch. */
export async function checkConfiguration(
  client: ApiClient,
  namespace: string,
  now: number,
): Promise<Finding[]> {
  const maps = await client.list(configMapKind, { namespace });
  const items = maps.ok ? maps.value.items : [];
  const texts = items.flatMap(object => problemsOfMap(namespace, object));
  return [...texts, ...(await problemsOfCa(client, namespace, items, now))];
}

function problemsOfMap(namespace: string, object: JsonObject): Finding[] {
  const name = stringAt(objectAt(object, "metadata"), "name");
  const told = (text: string): Finding => ({
    severity: "warning",
    message: `ConfigMap ${namespace}/${name}: ${text}`,
  });
  if (INJECTOR_MAP.test(name)) {
    const data = objectAt(object, "data");
    const [config, values] = [stringAt(data, "config"), stringAt(data, "values")];
    return problemsOf(readInjectorConfig({ config, values, mesh: "" }).diagnostics).map(told);
  }
  if (!MESH_MAP.test(name)) return [];
  const read = readMeshConfigMap(object, { namespace, name });
  return problemsOf(read?.diagnostics ?? []).map(told);
}

/** The one thing that is refused although it is stored: no proxy takes a certificate under such a CA. */
async function problemsOfCa(
  client: ApiClient,
  namespace: string,
  maps: readonly JsonObject[],
  now: number,
): Promise<Finding[]> {
  for (const name of [PLUGGED_CA_SECRET, SELF_SIGNED_CA_SECRET]) {
    const secret = await client.get(secretKind, namespace, name);
    if (!secret.ok) continue;
    const ca = caSecret(decodeSecretData(objectAt(secret.value, "data")));
    // Half a Secret is somebody else's, or is being written.
    if (ca["ca-cert.pem"] === "" || ca["ca-key.pem"] === "") return [];
    const opened = openAuthority(ca, now, trustDomainOf(namespace, maps));
    if (opened.ok) return [];
    return opened.diagnostics.map(({ path, message }) => ({
      severity: "error",
      message: `Secret ${namespace}/${name}: ${path}: ${message}; a control plane of this version does not start with it`,
    }));
  }
  return [];
}

function trustDomainOf(namespace: string, maps: readonly JsonObject[]): string {
  const read = maps.map(object => readMeshConfigMap(object, { namespace, name: "istio" }));
  const settings = read.find(each => each?.settings !== undefined)?.settings;
  return (settings?.mesh ?? defaultMesh()).trustDomain;
}
