/**
 * Service-account tokens of local workloads, with the claims of Kubernetes' bound tokens (KEP-1205),
 * so that everything behind `TokenVerifier` is the same on Kubernetes.
 */
import { createHash, randomUUID } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { asRecord, type JsonRecord, signCompact, unverifiedPayload, verifyCompact } from "./jws.ts";
import type { TokenKey } from "./token-key.ts";

/** Istio's audience for workload tokens (`--token-audiences`). */
export const TOKEN_AUDIENCE = "istio-ca";
const TOKEN_ISSUER = "https://kubernetes.default.svc.cluster.local";
/** Lifetime of Istio's projected token. */
export const TOKEN_LIFETIME_MS: number = 12 * 3600 * 1000;
const SKEW_MS = 30_000;
const CACHE_MAX = 4_096;
const SECONDS_MAX = 8.64e12;
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const UID = /^[A-Za-z0-9-]{1,128}$/;

/** The workload that a token is bound to. */
export interface BoundWorkload {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly podUid: string;
}

export interface VerifiedToken {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Both or none: without, the token is of the account alone, made for a person's command. */
  readonly podName: string | undefined;
  readonly podUid: string | undefined;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export type TokenVerdict =
  | { readonly ok: true; readonly token: VerifiedToken }
  | { readonly ok: false; readonly reason: string };

/** Says whose a token is. On Kubernetes this asks the API server (TokenReview). */
export interface TokenVerifier {
  /** `from`: whose address shows it (ownerByAddress); where many wait, those take turns. */
  verify(token: string, from?: string): Promise<TokenVerdict>;
  /** A pod is gone: tokens bound to it are asked about again. */
  forgetPod?(podUid: string): void;
}

/** `lifetimeMs` defaults to TOKEN_LIFETIME_MS. Write a new one before 80 % of it are over. */
export function issueToken(
  workload: BoundWorkload,
  key: TokenKey,
  nowMs: number,
  lifetimeMs: number = TOKEN_LIFETIME_MS,
): string {
  const now = Math.floor(nowMs / 1000);
  const { namespace, serviceAccount, podName, podUid } = workload;
  const payload: JsonRecord = {
    aud: [TOKEN_AUDIENCE],
    exp: now + Math.ceil(lifetimeMs / 1000),
    iat: now,
    iss: TOKEN_ISSUER,
    jti: randomUUID(),
    "kubernetes.io": {
      namespace,
      pod: { name: podName, uid: podUid },
      serviceaccount: { name: serviceAccount },
    },
    nbf: now,
    sub: subjectOf(namespace, serviceAccount),
  };
  return signCompact(payload, key.privateKey, key.keyId);
}

/** Verifies tokens of our own key. Verdicts that were good are kept until the token expires. */
export function createTokenVerifier(
  key: TokenKey,
  clock: Clock,
  cacheMax: number = CACHE_MAX,
): TokenVerifier {
  const cache = new Map<string, VerifiedToken>();
  return {
    async verify(token) {
      const now = clock.now();
      const hash = createHash("sha256").update(token).digest("base64");
      const known = cache.get(hash);
      if (known !== undefined && known.expiresAt > now) return { ok: true, token: known };
      cache.delete(hash);
      const verdict = verifyToken(token, key, now);
      if (!verdict.ok) return verdict;
      const oldest = cache.size >= cacheMax ? cache.keys().next().value : undefined;
      if (oldest !== undefined) cache.delete(oldest);
      cache.set(hash, verdict.token);
      return verdict;
    },
  };
}

/** One check without a cache. Reasons never quote the token. */
export function verifyToken(token: string, key: TokenKey, nowMs: number): TokenVerdict {
  const signed = verifyCompact(token, key.publicKey, key.keyId);
  if ("refused" in signed) return refused(signed.refused);
  const { payload } = signed;
  if (payload["iss"] !== TOKEN_ISSUER) return refused(`token issuer: expected ${TOKEN_ISSUER}`);
  if (!audiencesOf(payload).includes(TOKEN_AUDIENCE))
    return refused(`token audience: expected ${TOKEN_AUDIENCE}`);
  const expiresAt = milliseconds(payload["exp"]);
  const notBefore = milliseconds(payload["nbf"]);
  if (expiresAt === undefined || notBefore === undefined)
    return refused("token times: expected exp and nbf in seconds");
  if (nowMs >= expiresAt) return refused(`token expired at ${new Date(expiresAt).toISOString()}`);
  if (nowMs < notBefore - SKEW_MS)
    return refused(`token is not valid before ${new Date(notBefore).toISOString()}`);
  const workload = workloadOf(payload);
  if (workload === undefined)
    return refused(
      "token is not bound to a pod: expected kubernetes.io claims that agree with sub",
    );
  return { ok: true, token: { ...workload, expiresAt } };
}

/** Uid of the pod that a refused token says it is bound to: only good for telling people apart. */
export function claimedPodUid(token: string): string | undefined {
  const bound = asRecord(unverifiedPayload(token)?.["kubernetes.io"]);
  return matching(UID, asRecord(bound?.["pod"])?.["uid"]);
}

function workloadOf(payload: JsonRecord): BoundWorkload | undefined {
  const bound = asRecord(payload["kubernetes.io"]);
  const pod = asRecord(bound?.["pod"]);
  const namespace = matching(NAME, bound?.["namespace"]);
  const serviceAccount = matching(NAME, asRecord(bound?.["serviceaccount"])?.["name"]);
  const podName = matching(NAME, pod?.["name"]);
  const podUid = matching(UID, pod?.["uid"]);
  if (!namespace || !serviceAccount || !podName || !podUid) return undefined;
  if (payload["sub"] !== subjectOf(namespace, serviceAccount)) return undefined;
  return { namespace, serviceAccount, podName, podUid };
}

function subjectOf(namespace: string, serviceAccount: string): string {
  return `system:serviceaccount:${namespace}:${serviceAccount}`;
}

/** `aud` is one string or a list (RFC 7519 4.1.3). */
function audiencesOf(payload: JsonRecord): readonly unknown[] {
  const audience = payload["aud"];
  return Array.isArray(audience) ? audience : [audience];
}

function milliseconds(value: unknown): number | undefined {
  const inRange = typeof value === "number" && value >= 0 && value <= SECONDS_MAX;
  return inRange ? value * 1000 : undefined;
}

function matching(pattern: RegExp, value: unknown): string | undefined {
  return typeof value === "string" && pattern.test(value) ? value : undefined;
}

function refused(reason: string): TokenVerdict {
  return { ok: false, reason };
}
