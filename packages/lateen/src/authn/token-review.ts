/**
 * Service-account tokens checked by the API server that issued them (authentication.k8s.io/v1
 * TokenReview), as Istio does with its projected tokens. What was good is kept by the token's hash
 * until it expires, and never for longer than a bounded time: a deleted pod's token ends being good.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { FairShares } from "../base/fair-shares.ts";
import { asRecord, type JsonRecord } from "./jws.ts";
import { TOKEN_AUDIENCE, type TokenVerdict, type TokenVerifier } from "./token.ts";

/** The `status` of a TokenReview. */
export interface TokenReviewStatus {
  readonly authenticated?: unknown;
  readonly audiences?: unknown;
  readonly error?: unknown;
  readonly user?: unknown;
}

/** Asks the API server. Rejects, without the token in its message, when there is no answer. */
export type ReviewToken = (
  token: string,
  audiences: readonly string[],
) => Promise<TokenReviewStatus>;

export interface TokenReviewOptions {
  readonly review: ReviewToken;
  readonly clock: Clock;
  readonly audience?: string;
  readonly cacheMax?: number;
}

const CACHE_MAX = 20_000;
/** Streams live longer than this; a new one of a revoked token is refused by then at the latest. */
const GOOD_MS = 5 * 60_000;
/** A client that tries again and again with a bad token costs the API server one question. */
const BAD_MS = 10_000;
const IN_FLIGHT_MAX = 32;
const WAITING_MAX = 20_000;
/** Kubernetes' projected tokens have about 1,200 characters. */
const TOKEN_LENGTH_MAX = 8_192;
/** Of a Date. */
const SECONDS_MAX = 8.64e12;
const JWT = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/;
const SUBJECT = /^system:serviceaccount:([a-z0-9][a-z0-9-]{0,62}):([a-z0-9][a-z0-9.-]{0,252})$/;
const POD_NAME = "authentication.kubernetes.io/pod-name";
const POD_UID = "authentication.kubernetes.io/pod-uid";

interface Kept {
  readonly verdict: TokenVerdict;
  /** Of what only goes on; when the token itself ends is looked at before. */
  readonly until: number;
}

/** `verify` rejects when the API server can not be asked: the caller says "try again". */
export function createTokenReviewer(options: TokenReviewOptions): TokenVerifier {
  const { clock, cacheMax = CACHE_MAX } = options;
  // Apart: whoever sends many that are bad does not make us forget the good ones.
  const caches = { good: new Map<string, Kept>(), bad: new Map<string, Kept>() };
  const asked = new Map<string, Promise<TokenVerdict>>();
  const turns = new Turns();
  const ask = async (token: string, hash: string, from: string): Promise<TokenVerdict> => {
    const verdict = await turns.take(from, () => review(token, options));
    const until = clock.monotonic() + (verdict.ok ? GOOD_MS : BAD_MS);
    const cache = verdict.ok ? caches.good : caches.bad;
    const oldest = cache.size >= cacheMax ? cache.keys().next().value : undefined;
    if (oldest !== undefined) cache.delete(oldest);
    cache.set(hash, { verdict, until });
    return verdict;
  };
  return {
    async verify(token, from = "") {
      if (token.length > TOKEN_LENGTH_MAX || !JWT.test(token)) return refused("token is no JWT");
      // The API server would say so, too: a pod that was paused for long may ask very often.
      const over = expired(expiryOf(token), clock.now());
      if (over !== undefined) return over;
      const hash = createHash("sha256").update(token).digest("base64");
      for (const cache of [caches.good, caches.bad]) {
        const kept = cache.get(hash);
        if (kept !== undefined && kept.until > clock.monotonic()) return kept.verdict;
        cache.delete(hash);
      }
      const running = asked.get(hash);
      if (running !== undefined) return running;
      const answer = ask(token, hash, from).finally(() => asked.delete(hash));
      asked.set(hash, answer);
      return answer;
    },
    forgetPod(podUid) {
      for (const [hash, { verdict }] of caches.good)
        if (verdict.ok && verdict.token.podUid === podUid) caches.good.delete(hash);
    },
  };
}

/**
 * A bounded number of questions at a time, the others in line. Addresses take turns, and who finds the
 * line full takes the place of one of an address that has more in it: made-up tokens wait for one
 * another.
 */
class Turns {
  readonly #waiting = new FairShares<{ go(): void; turnAway(): void }>();
  #running = 0;

  async take<T>(from: string, work: () => Promise<T>): Promise<T> {
    if (this.#running < IN_FLIGHT_MAX) this.#running++;
    else await this.#wait(from);
    try {
      return await work();
    } finally {
      // Whoever is next has this place, which nobody else can take in between.
      const next = this.#waiting.takeNext();
      if (next === undefined) this.#running--;
      else next.go();
    }
  }

  #wait(from: string): Promise<void> {
    return new Promise((go, fail) => {
      const turnAway = (): void => fail(new Error("too many tokens wait for a review"));
      if (this.#waiting.size >= WAITING_MAX) {
        const other = this.#waiting.givesWayTo(from);
        if (other === undefined) {
          turnAway();
          return;
        }
        other.remove();
        other.item.turnAway();
      }
      this.#waiting.add(from, { go, turnAway });
    });
  }
}

async function review(token: string, options: TokenReviewOptions): Promise<TokenVerdict> {
  const { audience = TOKEN_AUDIENCE, clock } = options;
  const status = await options.review(token, [audience]);
  if (status.authenticated !== true) {
    const why = typeof status.error === "string" ? `: ${status.error.slice(0, 200)}` : "";
    return refused(`token was refused by the API server${why}`);
  }
  // A server that knows nothing of audiences leaves them out, and has checked none.
  const { audiences } = status;
  if (!Array.isArray(audiences) || !audiences.includes(audience))
    return refused(`token audience: expected ${audience}`);
  return accountOf(token, asRecord(status.user), clock.now());
}

/** A token that says half of a pod is refused: nothing here would know what it stands for. */
function accountOf(token: string, user: JsonRecord | undefined, nowMs: number): TokenVerdict {
  const subject = SUBJECT.exec(textOf(user?.["username"]));
  if (subject === null) return refused("token is not of a service account");
  const [, namespace = "", serviceAccount = ""] = subject;
  const extra = asRecord(user?.["extra"]);
  const podName = only(extra?.[POD_NAME]);
  const podUid = only(extra?.[POD_UID]);
  const isBound = extra?.[POD_NAME] !== undefined || extra?.[POD_UID] !== undefined;
  if (isBound && (podName === undefined || podUid === undefined))
    return refused("token is bound to a pod, and does not say which");
  const expiresAt = expiryOf(token) ?? 0;
  // It may have ended while the API server was asked.
  const over = expired(expiresAt, nowMs);
  if (over !== undefined) return over;
  return { ok: true, token: { namespace, serviceAccount, podName, podUid, expiresAt } };
}

/** undefined: it has not. */
function expired(expiresAt: number | undefined, nowMs: number): TokenVerdict | undefined {
  if (expiresAt === undefined) return refused("token has no exp claim");
  if (expiresAt > nowMs) return undefined;
  return refused(`token expired at ${new Date(expiresAt).toISOString()}`);
}

/** Milliseconds. The API server has checked the signature already. */
function expiryOf(token: string): number | undefined {
  const payload = JWT.exec(token)?.[1] ?? "";
  try {
    const claims = asRecord(JSON.parse(Buffer.from(payload, "base64url").toString("utf8")));
    const exp = claims?.["exp"];
    return typeof exp === "number" && exp >= 0 && exp <= SECONDS_MAX ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/** Values of `extra` are lists. */
function only(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length !== 1) return undefined;
  const text = textOf(value[0]);
  return text === "" ? undefined : text;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function refused(reason: string): TokenVerdict {
  return { ok: false, reason };
}
