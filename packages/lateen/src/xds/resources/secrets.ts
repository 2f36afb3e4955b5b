/** SDS: certificates and trust bundles. The view is the identity, and nothing else is. */
import { parseSpiffeId } from "../../base/spiffe.ts";
import type { CellFamily, Collection, Graph, Reader } from "../../flow/types.ts";
import type { Credential, TrustBundle, WorkloadCertificate } from "../../model/types.ts";
import { parseCredentialName, ROOTS_SUFFIX } from "../names.ts";
import type { EncodedResource } from "../resource.ts";
import {
  credentialCertificateSecret,
  credentialRootsSecret,
  fileSecret,
  trustBundleSecret,
  workloadCertificateSecret,
} from "../secret.ts";
import { sameResource, splitViewKey } from "./family.ts";

export interface SecretSources {
  /** By SPIFFE id. */
  readonly certificates: Collection<WorkloadCertificate>;
  /** By trust domain. */
  readonly bundles: Collection<TrustBundle>;
  /** By `namespace/name` of the Secret. */
  readonly credentials: Collection<Credential>;
}

/** Istio's names for a workload's own certificate and for what it checks peers against. */
const OWN_CERTIFICATE = "default";
const TRUST_BUNDLE = "ROOTCA";

/**
 * Key: `viewKey(identity, name)`; without an identity there are no secrets at all. Which names an identity may ask for is decided before a cell is
 * asked for (authn/secret-access.ts); a cell can only ever give an identity its own certificate, and
 * credentials of its own namespace.
 */
export function createSecretCells(
  graph: Graph,
  sources: SecretSources,
): CellFamily<EncodedResource | undefined> {
  const options = {
    name: "secrets",
    reads: [sources.certificates, sources.bundles, sources.credentials],
    equals: sameResource,
  };
  return graph.cells<EncodedResource | undefined>(options, (key, read) => {
    const { view: identity, name } = splitViewKey(key);
    if (identity === "") return undefined;
    if (name === OWN_CERTIFICATE) {
      const certificate = read.get(sources.certificates, identity);
      return certificate && workloadCertificateSecret(certificate);
    }
    if (name === TRUST_BUNDLE) {
      const bundles = read.all(sources.bundles).map(([, bundle]) => bundle);
      return bundles.length === 0 ? undefined : trustBundleSecret(bundles);
    }
    return fileSecret(name) ?? credentialSecret(identity, name, read, sources.credentials);
  });
}

/** Istio: the roots for `NAME-cacert` are in a Secret of that very name, or else in `NAME`. */
function credentialSecret(
  identity: string,
  name: string,
  read: Reader,
  credentials: SecretSources["credentials"],
): EncodedResource | undefined {
  const own = parseSpiffeId(identity)?.namespace;
  const asked = parseCredentialName(name);
  const namespace = asked?.namespace ?? own;
  if (asked === undefined || own === undefined || namespace !== own) return undefined;
  const row = read.get(credentials, `${own}/${asked.secret}`);
  if (!asked.roots) return row && credentialCertificateSecret(name, row);
  const apart = read.get(credentials, `${own}/${asked.secret}${ROOTS_SUFFIX}`);
  const rooted = apart ?? row;
  return rooted && credentialRootsSecret(name, rooted);
}
