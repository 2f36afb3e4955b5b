/** The CA, and who vouches for tokens: a local mesh itself, in a cluster its API server. */
import { createTokenVerifier, type TokenVerifier } from "../authn/token.ts";
import { loadOrCreateTokenKey } from "../authn/token-key.ts";
import { createTokenReviewer } from "../authn/token-review.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SecretPort } from "../base/secret-port.ts";
import { CaChangeKeeper, keptChange } from "../ca/ca-change-keeper.ts";
import { CaSecrets } from "../ca/ca-secrets.ts";
import { LiveAuthority, ROOT_SPREAD_MS } from "../ca/live-authority.ts";
import { loadOrCreateRoot } from "../ca/root.ts";
import { type RootRenewalSettings, startRootRenewal } from "../ca/root-renewal.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { hasOtherControlPlane } from "../sources/kube/other-control-planes.ts";
import { reviewToken, untilAnswered } from "./kube-cluster.ts";
import { SYSTEM_NAMESPACE } from "./mesh-config-input.ts";
import { secretPort } from "./secret-port.ts";

/** On one machine pods' files change at once. */
const LOCAL_SPREAD_MS = 5_000;

export interface TrustOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly source:
    | { readonly kind: "api" | "files" }
    | { readonly kind: "kube"; readonly systemNamespace: string };
  /** How long a new root takes to be trusted by all; undefined: as usual for the source. */
  readonly rootSpreadMs?: number | undefined;
  readonly rootRenewal?: Partial<RootRenewalSettings> | undefined;
}

export interface Trust {
  readonly authority: LiveAuthority;
  readonly tokens: TokenVerifier;
  /** From now on the authority follows the Secrets that it is of. */
  follow(): void;
  stop(): void;
}

export async function openTrust(
  options: TrustOptions,
  client: ApiClient,
  trustDomain: string,
): Promise<Trust> {
  const { source } = options;
  const namespace = source.kind === "kube" ? source.systemNamespace : SYSTEM_NAMESPACE;
  const port = secretPort(client, namespace);
  const authority = await openAuthority(options, client, namespace, trustDomain);
  const tokens = await openTokens(options, client, port);
  return {
    authority,
    tokens,
    ...followSecrets(options, client, namespace, { authority, trustDomain }),
  };
}

async function openTokens(
  { clock, source }: TrustOptions,
  client: ApiClient,
  port: SecretPort,
): Promise<TokenVerifier> {
  if (source.kind === "kube") {
    const review = (token: string, audiences: readonly string[]) =>
      reviewToken(client, token, audiences);
    return createTokenReviewer({ review, clock });
  }
  const key = await loadOrCreateTokenKey(port);
  if (!key.ok) throw new Error(`token key: ${key.diagnostics.map(d => d.message).join("; ")}`);
  return createTokenVerifier(key.value, clock);
}

async function openAuthority(
  { clock, log, source, rootSpreadMs, rootRenewal }: TrustOptions,
  client: ApiClient,
  namespace: string,
  trustDomain: string,
): Promise<LiveAuthority> {
  const port = secretPort(client, namespace);
  const load = async () => {
    const now = clock.now();
    const { lifetimeMs } = rootRenewal ?? {};
    const opened = await loadOrCreateRoot(port, { trustDomain, now, lifetimeMs });
    const kept = await keptChange(client, namespace, now, log.scope("ca"));
    if (opened.ok) return { first: opened.value, kept };
    const why = opened.diagnostics.map(({ path, message }) => `${path} ${message}`).join("; ");
    throw new Error(`CA: ${why}`);
  };
  const { first, kept } =
    source.kind === "kube" ? await untilAnswered("CA", clock, log, load) : await load();
  const usual = source.kind === "kube" ? ROOT_SPREAD_MS : LOCAL_SPREAD_MS;
  const spreadMs = rootSpreadMs ?? usual;
  return new LiveAuthority(first, { clock, log: log.scope("ca"), spreadMs }, kept);
}

function followSecrets(
  { clock, random, log, rootRenewal }: TrustOptions,
  client: ApiClient,
  namespace: string,
  { authority, trustDomain }: { readonly authority: LiveAuthority; readonly trustDomain: string },
): Pick<Trust, "follow" | "stop"> {
  const common = { client, namespace, clock, random, log: log.scope("ca") };
  const secrets = new CaSecrets({ ...common, authority, trustDomain });
  const keeper = new CaChangeKeeper({ ...common, authority });
  let stopRenewal = (): void => {};
  return {
    follow() {
      keeper.start();
      secrets.start();
      stopRenewal = startRootRenewal({
        ...common,
        inForce: () => secrets.inForce,
        isAnothers: () => hasOtherControlPlane(client, namespace),
        ...(rootRenewal === undefined ? {} : { settings: rootRenewal }),
      });
    },
    stop() {
      stopRenewal();
      secrets.stop();
      keeper.stop();
      authority.dispose();
    },
  };
}

/** Files alone have no CA: whoever dials has no identity and gets no secrets. */
export const noTokens: TokenVerifier = {
  verify: () => Promise.resolve({ ok: false, reason: "this control plane takes no tokens" }),
};
