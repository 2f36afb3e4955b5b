/**
 * Who is at the other end of a stream: by the bearer token of its workload (Istio's JWT
 * authentication on 15012), or by a client certificate of ours.
 */
import type { X509Certificate } from "node:crypto";
import { ownerByAddress } from "../base/owner-by-address.ts";
import { formatSpiffeId, parseSpiffeId, type SpiffeId } from "../base/spiffe.ts";
import { claimedPodUid, type TokenVerifier } from "./token.ts";

/** gRPC's UNAUTHENTICATED. */
const UNAUTHENTICATED = 16;
const BEARER = /^Bearer +([^ ]+)$/i;

/** What the transport knows of a caller (net's Credentials). */
export interface Caller {
  readonly transport: "plaintext" | "tls";
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Only one that TLS has verified against our trust bundle. */
  readonly certificate: X509Certificate | undefined;
  readonly address: string;
}

/** A discovery Peer. Plaintext callers have no identity and get no secrets. */
export interface AuthenticatedPeer {
  readonly transport: "plaintext" | "tls";
  /** SPIFFE id. */
  readonly identity: string | undefined;
  /**
   * Facts that the credential is bound to: `namespace` and `serviceAccount`, with a token
   * `podName` and `podUid` as well.
   */
  readonly claims: Readonly<Record<string, string>>;
  readonly address: string;
  /** A token of an account without a pod, as istioctl has made: it is no workload's. */
  readonly onlyDebug?: boolean;
}

/** A reason for a person, without any secret, and a gRPC status code. */
export interface AuthenticationRefusal {
  readonly refused: string;
  readonly code: number;
  /** Uid of the pod that the credential names; nothing has vouched for it. */
  readonly claimedPod?: string;
}

export type Authentication = AuthenticatedPeer | AuthenticationRefusal;

export interface AuthenticatorOptions {
  readonly tokens: TokenVerifier;
  readonly trustDomain: string;
}

/** A token comes first: it names the pod, which a certificate does not. */
export async function authenticate(
  caller: Caller,
  options: AuthenticatorOptions,
): Promise<Authentication> {
  const { transport, address, headers, certificate } = caller;
  if (transport === "plaintext") return { transport, identity: undefined, claims: {}, address };
  const authorization = headers["authorization"];
  if (authorization !== undefined) return byToken(caller, authorization, options);
  if (certificate !== undefined) return byCertificate(caller, certificate, options);
  return refuse("no credential: expected a bearer token or a client certificate");
}

async function byToken(
  caller: Caller,
  authorization: string | readonly string[],
  options: AuthenticatorOptions,
): Promise<Authentication> {
  const token = typeof authorization === "string" ? BEARER.exec(authorization)?.[1] : undefined;
  if (token === undefined) return refuse("authorization header: expected Bearer and a token");
  const verdict = await options.tokens.verify(token, ownerByAddress(caller.address));
  if (!verdict.ok) {
    const claimedPod = claimedPodUid(token);
    return { ...refuse(verdict.reason), ...(claimedPod === undefined ? {} : { claimedPod }) };
  }
  const { namespace, serviceAccount, podName, podUid } = verdict.token;
  const id = { trustDomain: options.trustDomain, namespace, serviceAccount };
  if (podName === undefined || podUid === undefined)
    return { ...accept(caller, id, {}), onlyDebug: true };
  return accept(caller, id, { podName, podUid });
}

function byCertificate(
  caller: Caller,
  certificate: X509Certificate,
  options: AuthenticatorOptions,
): Authentication {
  const id = spiffeIdOf(certificate.subjectAltName ?? "");
  if (id === undefined) return refuse("client certificate: expected one SPIFFE id as URI SAN");
  if (id.trustDomain !== options.trustDomain)
    return refuse(`client certificate: expected trust domain ${options.trustDomain}`);
  return accept(caller, id, {});
}

function accept(
  caller: Caller,
  id: SpiffeId,
  bound: Readonly<Record<string, string>>,
): AuthenticatedPeer {
  const { namespace, serviceAccount } = id;
  const claims = { namespace, serviceAccount, ...bound };
  const { transport, address } = caller;
  return { transport, identity: formatSpiffeId(id), claims, address };
}

/**
 * The one URI name (SPIFFE X509-SVID 2) of node:crypto's text form. Names that it had to quote are
 * not of ours, and could hold what looks like another name.
 */
function spiffeIdOf(subjectAltName: string): SpiffeId | undefined {
  if (subjectAltName.includes('"')) return undefined;
  const uris = subjectAltName.split(", ").filter(name => name.startsWith("URI:"));
  const [only] = uris;
  return uris.length === 1 && only !== undefined ? parseSpiffeId(only.slice(4)) : undefined;
}

function refuse(reason: string): AuthenticationRefusal {
  return { refused: reason, code: UNAUTHENTICATED };
}
