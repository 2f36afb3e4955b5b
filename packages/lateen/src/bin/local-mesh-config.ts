/** The mesh configuration that `lateen up` begins with. */
import { configMapKind } from "../api/config-map/kind.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { MESH_CONFIG_MAP } from "./mesh-config-input.ts";

const ROOT_NAMESPACE = "istio-system";
/** As Istio's demo profile: MeshConfig's own default is no access log. */
const MESH = "accessLogFile: /dev/stdout\n";

/** Makes the ConfigMap where there is none; one that is there stays as its owner has made it. */
export async function ensureMeshConfig(client: ApiClient): Promise<void> {
  const created = await client.create(configMapKind, ROOT_NAMESPACE, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: MESH_CONFIG_MAP, namespace: ROOT_NAMESPACE },
    data: { mesh: MESH },
  });
  if (!created.ok && created.status.code !== 409) {
    throw new Error(`ConfigMap ${MESH_CONFIG_MAP}: ${created.status.message ?? "refused"}`);
  }
}
