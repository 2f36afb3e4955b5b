/** Groups of custom resources, as against those that Kubernetes itself has. */
export function isCustom(group: string): boolean {
  if (!group.includes(".")) return false;
  return !group.endsWith(".k8s.io") || group === "gateway.networking.k8s.io";
}
