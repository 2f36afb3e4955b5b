/** There only while a change of the CA is on its way; it holds the old key. */
export const CA_CHANGE_SECRET = "lateen-ca-change";
/** Secrets that hold the key of the mesh's CA, by Istio's names and ours; whatever else is in them. */
const CA_KEY_SECRETS: readonly string[] = ["cacerts", "istio-ca-secret", CA_CHANGE_SECRET];
/** Istio's suffix of a credential's roots. */
const ROOTS = /-cacert$/;

/**
 * Whether a credential of this name is, or would be answered from, such a Secret. cert-manager writes
 * `cacerts` in the form of a server's certificate, so that only the name tells them apart.
 */
export function isCaKeySecret(name: string): boolean {
  return CA_KEY_SECRETS.includes(name.replace(ROOTS, ""));
}
