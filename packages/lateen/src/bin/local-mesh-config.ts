/** The mesh configuration that `lateen up` begins with. */
import { configMapKind } from "../api/config-map/kind.ts";
import { UserError } from "../cli/command.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { MESH_CONFIG_MAP, SYSTEM_NAMESPACE } from "./mesh-config-input.ts";

/** As Istio's demo profile: MeshConfig's own default is no access log. */
const MESH = "accessLogFile: /dev/stdout\n";

/** A file for `--mesh-config`, read. */
export interface MeshConfigFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Makes the ConfigMap where there is none; one that is there stays as its owner has made it, but
 * for what a file says. Throws UserError where the file has errors; `warn` gets the rest.
 */
export async function ensureMeshConfig(
  client: ApiClient,
  file: MeshConfigFile | undefined,
  warn: (message: string) => void,
): Promise<void> {
  const created = await client.create(configMapKind, SYSTEM_NAMESPACE, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: MESH_CONFIG_MAP, namespace: SYSTEM_NAMESPACE },
    data: { mesh: file?.text ?? MESH },
  });
  const exists = !created.ok && created.status.code === 409;
  if (exists && file === undefined) return;
  const result =
    exists && file !== undefined
      ? await client.patch(configMapKind, SYSTEM_NAMESPACE, MESH_CONFIG_MAP, "merge", {
          data: { mesh: file.text },
        })
      : created;
  const what = file === undefined ? `ConfigMap ${MESH_CONFIG_MAP}` : `--mesh-config ${file.path}`;
  if (!result.ok) throw new UserError(`${what}: ${result.status.message ?? "refused"}`);
  for (const warning of result.warnings) warn(`${what}: ${warning}`);
}
