/** The parts of the mesh configuration that names are made of, apart from what changes more often. */
import type { Collection, Graph, Reader } from "../flow/types.ts";
import { MESH_KEY } from "./inputs.ts";
import type { Mesh } from "./types.ts";

export type MeshNames = Pick<Mesh, "trustDomain" | "domain" | "rootNamespace">;

/** What holds until a mesh configuration is there. */
const DEFAULT_NAMES: MeshNames = {
  trustDomain: "cluster.local",
  domain: "cluster.local",
  rootNamespace: "istio-system",
};

/** One row: an edit of, say, the access log's format must not recompute every service. */
export function createMeshNames(graph: Graph, mesh: Collection<Mesh>): Collection<MeshNames> {
  return graph.derive(mesh, { name: "mesh names" }, (_key, row) => ({
    trustDomain: row.trustDomain,
    domain: row.domain,
    rootNamespace: row.rootNamespace,
  }));
}

export function meshNames(read: Reader, names: Collection<MeshNames>): MeshNames {
  return read.get(names, MESH_KEY) ?? DEFAULT_NAMES;
}

export function spiffeId(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}
