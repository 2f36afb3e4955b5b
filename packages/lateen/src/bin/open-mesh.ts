/** Opens the mesh that a command is about: one of this machine, or one in a Kubernetes cluster. */
import type { MeshAccess } from "../cli/context.ts";
import { openLocalMesh } from "./local-mesh.ts";
import { kubeconfigFiles, type PersonsCluster } from "./open-cluster.ts";
import type { WhichMesh } from "./which-mesh.ts";

export interface MeshChoice {
  readonly which: WhichMesh;
  readonly home: string | undefined;
  readonly cluster: PersonsCluster;
  readonly systemNamespace: string;
  /** Of the control planes in a cluster that are asked; undefined: all. */
  readonly revision: string | undefined;
  /** Of Envoys' admin interface. */
  readonly adminPort: number;
}

export async function openMesh(choice: MeshChoice): Promise<MeshAccess> {
  const { which, home, adminPort } = choice;
  if (which.kind === "local")
    return openLocalMesh(home, which.mesh, { kubeconfigs: kubeconfigFiles(undefined), adminPort });
  const { openKubeMesh } = await import("./kube-mesh.ts");
  return openKubeMesh(choice);
}
