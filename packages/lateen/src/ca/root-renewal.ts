/**
 * Renews the mesh's own root (`istio-ca-secret`) before its end, as Istio's self-signed CA does
 * (security/pkg/pki/ca): same key and name, another certificate. A root of the user's (`cacerts`) is
 * the user's to renew.
 */
import { X509Certificate } from "node:crypto";
import type { JsonObject } from "../api/kind.ts";
import { secretKind } from "../api/secret/kind.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt } from "../sources/json.ts";
import { certificatesIn } from "./authority.ts";
import { decodeSecretData } from "./ca-secrets.ts";
import { renewedRoot } from "./certificate.ts";
import { caSecret, ROOT_LIFETIME_MS, SELF_SIGNED_CA_SECRET } from "./root.ts";

const BACKDATE_MS = 60_000;
const CONFLICT = 409;
/** No timer waits longer. */
const CHECK_MS_MAX = 24 * 3_600_000;

export interface RootRenewalSettings {
  /** Istio's CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL: an hour; 0: never. */
  readonly checkMs: number;
  /** CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE: of the lifetime, before the end. */
  readonly gracePercent: number;
  /** CITADEL_SELF_SIGNED_CA_CERT_TTL. */
  readonly lifetimeMs: number;
}

export const defaultRootRenewal: RootRenewalSettings = {
  checkMs: 3_600_000,
  gracePercent: 20,
  lifetimeMs: ROOT_LIFETIME_MS,
};

export interface RootRenewalOptions {
  readonly client: Pick<ApiClient, "get" | "update">;
  readonly namespace: string;
  /** Name of the Secret that the CA is of. */
  readonly inForce: () => string | undefined;
  /** Istio's control plane is in the cluster, and renews the root that both share. */
  readonly isAnothers: () => Promise<boolean>;
  readonly clock: Clock;
  /** 0 to 1: replicas do not look at the same time. */
  readonly random: () => number;
  readonly log: Log;
  readonly settings?: Partial<RootRenewalSettings>;
}

/** Every replica looks; the one that is first writes. The function returned ends it. */
export function startRootRenewal(options: RootRenewalOptions): () => void {
  const { clock, random, log } = options;
  const settings = { ...defaultRootRenewal, ...options.settings };
  if (settings.checkMs <= 0) return () => {};
  const checkMs = Math.min(settings.checkMs, CHECK_MS_MAX);
  let cancel = (): void => {};
  let stopped = false;
  const wait = (ms: number): void => {
    cancel = clock.after(ms, () => {
      void renewIfDue(options, settings)
        .catch((error: unknown) => log.warn("root not renewed", { error: String(error) }))
        .then(() => {
          if (!stopped) wait(checkMs);
        });
    });
  };
  wait(checkMs * random());
  return () => {
    stopped = true;
    cancel();
  };
}

async function renewIfDue(
  { client, namespace, inForce, isAnothers, clock, log }: RootRenewalOptions,
  settings: RootRenewalSettings,
): Promise<void> {
  if (inForce() !== SELF_SIGNED_CA_SECRET) return;
  const found = await client.get(secretKind, namespace, SELF_SIGNED_CA_SECRET);
  if (!found.ok) throw new Error(found.status.message ?? "the Secret can not be read");
  const secret = found.value;
  const fields = caSecret(decodeSecretData(objectAt(secret, "data")));
  const certificatePem = fields["ca-cert.pem"];
  const now = clock.now();
  if (!isDue(certificatePem, now, settings) || (await isAnothers())) return;
  const root = renewedRoot(
    { certificatePem, privateKeyPem: fields["ca-key.pem"] },
    { notBefore: now - BACKDATE_MS, notAfter: now + settings.lifetimeMs },
  );
  const others = otherRoots(fields["root-cert.pem"], certificatePem);
  const answer = await client.update(secretKind, withRoot(secret, root, others));
  if (answer.ok)
    log.info("root renewed", { until: new Date(now + settings.lifetimeMs).toISOString() });
  // Another replica was first; the watch tells of it.
  else if (answer.status.code !== CONFLICT)
    throw new Error(answer.status.message ?? "the Secret can not be written");
}

function isDue(pem: string, now: number, { gracePercent }: RootRenewalSettings): boolean {
  const own = new X509Certificate(pem);
  const from = own.validFromDate.getTime();
  const to = own.validToDate.getTime();
  return to - now <= ((to - from) * gracePercent) / 100;
}

/** What somebody has added beside the root itself stays trusted. */
function otherRoots(rootsPem: string, ownPem: string): readonly string[] {
  const own = new X509Certificate(ownPem);
  return certificatesIn(rootsPem)
    .filter(each => !each.raw.equals(own.raw))
    .map(each => each.toString());
}

function withRoot(secret: JsonObject, pem: string, others: readonly string[]): JsonObject {
  const encode = (text: string): string => Buffer.from(text).toString("base64");
  const data = {
    ...objectAt(secret, "data"),
    "ca-cert.pem": encode(pem),
    "root-cert.pem": encode([pem, ...others].join("")),
  };
  return { ...secret, data };
}
