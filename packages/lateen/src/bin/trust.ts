/** The CA, and who vouches for tokens: a local mesh itself, in a cluster its API server. */
import { createTokenVerifier, type TokenVerifier } from "../authn/token.ts";
import { loadOrCreateTokenKey } from "../authn/token-key.ts";
import { createTokenReviewer } from "../authn/token-review.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SecretPort } from "../base/secret-port.ts";
import type { Authority } from "../ca/authority.ts";
import { loadOrCreateRoot } from "../ca/root.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { reviewToken, untilAnswered } from "./kube-cluster.ts";
import { SYSTEM_NAMESPACE } from "./mesh-config-input.ts";
import { secretPort } from "./secret-port.ts";

export interface TrustOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly source:
    | { readonly kind: "api" | "files" }
    | { readonly kind: "kube"; readonly systemNamespace: string };
}

export interface Trust {
  readonly authority: Authority;
  readonly tokens: TokenVerifier;
}

export async function openTrust(
  options: TrustOptions,
  client: ApiClient,
  trustDomain: string,
): Promise<Trust> {
  const { clock, log, source } = options;
  if (source.kind !== "kube") {
    const port = secretPort(client, SYSTEM_NAMESPACE);
    const authority = await openAuthority(port, trustDomain, clock);
    const key = await loadOrCreateTokenKey(port);
    if (!key.ok) throw new Error(`token key: ${key.diagnostics.map(d => d.message).join("; ")}`);
    return { authority, tokens: createTokenVerifier(key.value, clock) };
  }
  const port = secretPort(client, source.systemNamespace);
  const authority = await untilAnswered("CA", clock, log, () =>
    openAuthority(port, trustDomain, clock),
  );
  const review = (token: string, audiences: readonly string[]) =>
    reviewToken(client, token, audiences);
  return { authority, tokens: createTokenReviewer({ review, clock }) };
}

async function openAuthority(
  port: SecretPort,
  trustDomain: string,
  clock: Clock,
): Promise<Authority> {
  const authority = await loadOrCreateRoot(port, { trustDomain, now: clock.now() });
  if (!authority.ok) throw new Error(`CA: ${authority.diagnostics.map(d => d.message).join("; ")}`);
  return authority.value;
}

/** Files alone have no CA: whoever dials has no identity and gets no secrets. */
export const noTokens: TokenVerifier = {
  verify: () => Promise.resolve({ ok: false, reason: "this control plane takes no tokens" }),
};
