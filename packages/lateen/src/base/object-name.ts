/** One way to name an object of any kind in keys: kinds of different API groups share names (Gateway). */

/** As Kubernetes writes kinds with their group: `Gateway.networking.istio.io`, and `Service` of the core. */
export function kindWithGroup({ group, kind }: { group: string; kind: string }): string {
  return group === "" ? kind : `${kind}.${group}`;
}

/** `KIND.GROUP/NAMESPACE/NAME`, see `kindWithGroup`; the namespace is empty where there is none. */
export function objectName(
  kind: { readonly group: string; readonly kind: string },
  namespace: string,
  name: string,
): string {
  return `${kindWithGroup(kind)}/${namespace}/${name}`;
}
