/** SPIFFE ids as Istio writes them: `spiffe://<trust domain>/ns/<namespace>/sa/<account>`. */

export interface SpiffeId {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Longest id that SPIFFE allows (SPIFFE-ID 2.3). */
const ID_LENGTH_MAX = 2048;
const PATTERN =
  /^spiffe:\/\/([a-z0-9._-]{1,255})\/ns\/([a-z0-9.-]{1,253})\/sa\/([a-z0-9.-]{1,253})$/;

export function formatSpiffeId(id: SpiffeId): string {
  return `spiffe://${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/** Undefined for everything that is not exactly of Istio's form. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  const found = text.length > ID_LENGTH_MAX ? null : PATTERN.exec(text);
  if (found === null) return undefined;
  const [, trustDomain = "", namespace = "", serviceAccount = ""] = found;
  return { trustDomain, namespace, serviceAccount };
}
