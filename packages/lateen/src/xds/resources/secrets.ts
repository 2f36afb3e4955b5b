/** SDS: certificates and trust bundles. The view is the identity, and nothing else is. */
import type { CellFamily, Collection, Graph } from "../../flow/types.ts";
import type { TrustBundle, WorkloadCertificate } from "../../model/types.ts";
import type { EncodedResource } from "../resource.ts";
import { fileSecret, trustBundleSecret, workloadCertificateSecret } from "../secret.ts";
import { sameResource, splitViewKey } from "./family.ts";

export interface SecretSources {
  /** By SPIFFE id. */
  readonly certificates: Collection<WorkloadCertificate>;
  /** By trust domain. */
  readonly bundles: Collection<TrustBundle>;
}

/** Istio's names for a workload's own certificate and for what it checks peers against. */
const OWN_CERTIFICATE = "default";
const TRUST_BUNDLE = "ROOTCA";

/**
 * Key: `viewKey(identity, name)`; without an identity there are no secrets at all. Which names an identity may ask for is decided before a cell is
 * asked for (authn/secret-access.ts); a cell can only ever give an identity its own certificate.
 */
export function createSecretCells(
  graph: Graph,
  sources: SecretSources,
): CellFamily<EncodedResource | undefined> {
  const options = {
    name: "secrets",
    reads: [sources.certificates, sources.bundles],
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
    return fileSecret(name);
  });
}
