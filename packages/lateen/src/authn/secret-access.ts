/** Which Secrets a stream may subscribe to over SDS. */
import { isCaKeySecret } from "../base/ca-key-secrets.ts";
import { parseSpiffeId } from "../base/spiffe.ts";

/** Istio's names: the workload's own certificate, and the roots that it trusts. */
export const OWN_CERTIFICATE_SECRET = "default";
const TRUST_BUNDLE_SECRET = "ROOTCA";

/** Files in the proxy's own file system: the answer holds their names, which the asker has sent. */
const OWN_FILES = /^file-(root|cert):/;

/** What of a peer (authenticate.ts) counts here. */
export interface SecretAsker {
  readonly identity: string | undefined;
  readonly claims: Readonly<Record<string, string>>;
}

/** Users' own certificates: `kubernetes://NAME`, or `kubernetes://NAMESPACE/NAME`. */
const CREDENTIAL = /^kubernetes:\/\/(?:([^/]+)\/)?([^/]+)$/;

/**
 * A stream gets its own identity's certificate, the trust bundle and references to its own files,
 * and nothing else; without an identity (plaintext) nothing at all. A new certificate is for who shows
 * a pod's token: one that was stolen ends with its time, and is not renewed for ever. A gateway also gets the
 * credentials in its own namespace, as Istio lets gateways read the Secrets there, but for those with the
 * key of the mesh's CA, whose holder would be anybody. Whatever is not named here is refused, so that a new kind of Secret has to be let in on purpose.
 */
export function maySubscribeSecret(
  { identity, claims }: SecretAsker,
  name: string,
  isGateway: boolean,
): boolean {
  if (identity === undefined) return false;
  const credential = CREDENTIAL.exec(name);
  if (credential !== null) {
    const own = parseSpiffeId(identity)?.namespace;
    const [, namespace = own, secret = ""] = credential;
    return isGateway && own !== undefined && namespace === own && !isCaKeySecret(secret);
  }
  if (name === OWN_CERTIFICATE_SECRET) return claims["podUid"] !== undefined;
  return name === TRUST_BUNDLE_SECRET || OWN_FILES.test(name);
}
