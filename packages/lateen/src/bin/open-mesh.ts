/** Which mesh a command is about: one of this machine, or one in a Kubernetes cluster. */
import { existsSync } from "node:fs";
import type { MeshAccess } from "../cli/context.ts";
import { openLocalMesh } from "./local-mesh.ts";
import { runningMeshes } from "./mesh-home.ts";
import { kubeconfigFiles, type PersonsCluster } from "./open-cluster.ts";

export interface MeshChoice {
  readonly home: string | undefined;
  /** Of a local mesh. */
  readonly meshName: string | undefined;
  readonly cluster: PersonsCluster;
  readonly systemNamespace: string;
  /** Of the control planes in a cluster that are asked; undefined: all. */
  readonly revision: string | undefined;
  /** Of Envoys' admin interface. */
  readonly adminPort: number;
}

/**
 * What a flag names; else a mesh that runs on this machine; else the cluster of the kubeconfig, if
 * there is one, or `$KUBECONFIG` says that there should be.
 */
export async function openMesh(choice: MeshChoice): Promise<MeshAccess> {
  const { home, meshName, cluster } = choice;
  const asked = Object.values(cluster).some(value => value !== undefined);
  if (!asked && (meshName !== undefined || runningMeshes(home).length > 0 || !hasKubeconfig()))
    return openLocalMesh(home, meshName, {
      kubeconfigs: kubeconfigFiles(undefined),
      adminPort: choice.adminPort,
    });
  const { openKubeMesh } = await import("./kube-mesh.ts");
  return openKubeMesh(choice);
}

function hasKubeconfig(): boolean {
  const inPod = process.env["KUBERNETES_SERVICE_HOST"] !== undefined;
  const isNamed = (process.env["KUBECONFIG"] ?? "") !== "";
  return inPod || isNamed || kubeconfigFiles(undefined).some(file => existsSync(file));
}
