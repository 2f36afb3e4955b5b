/** What a proxy says of itself, against what its credential says. */
import type { AuthenticatedPeer } from "./authenticate.ts";

/** gRPC's codes. */
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const SHOWN_LENGTH_MAX = 120;

/** What is checked of a discovery Node and its metadata, decoded. */
export interface ClaimingNode {
  readonly id: string;
  readonly metadata: {
    readonly namespace?: string;
    readonly name?: string;
    readonly serviceAccount?: string;
  };
}

/** What the control plane knows of the pod that a token is bound to. */
export interface PodFacts {
  readonly uid: string;
  readonly ips: readonly string[];
  /** undefined: not known. */
  readonly serviceAccount?: string;
}

export interface ClaimsRefusal {
  readonly refused: string;
  readonly code: number;
}

/**
 * Refuses a node that claims another pod, namespace, service account or address than its
 * credential. `pod` is the Pod's row if the store has it: a token of a pod that was replaced under
 * the same name is refused, and so is a certificate, which names no pod, where the pod runs as
 * another service account. A plaintext peer has no credential: only the form is checked.
 */
export function checkNodeClaims(
  node: ClaimingNode,
  peer: AuthenticatedPeer,
  pod?: PodFacts,
): ClaimsRefusal | undefined {
  const [type = "", ip = "", fullName = "", domain, ...rest] = node.id.split("~");
  if (domain === undefined || rest.length > 0 || (type !== "sidecar" && type !== "router")) {
    const expected = "expected sidecar|router~IP~POD.NAMESPACE~DOMAIN";
    return { refused: `node id ${shown(node.id)}: ${expected}`, code: INVALID_ARGUMENT };
  }
  if (peer.identity === undefined) return undefined;
  const dot = fullName.lastIndexOf(".");
  const podName = fullName.slice(0, Math.max(dot, 0));
  const { namespace, serviceAccount, podName: boundPod, podUid } = peer.claims;
  const { metadata } = node;
  return (
    differs("namespace of the node id", fullName.slice(dot + 1), namespace) ??
    differs("pod of the node id", podName, boundPod) ??
    differs("metadata NAMESPACE", metadata.namespace, namespace) ??
    differs("metadata NAME", metadata.name, boundPod) ??
    differs("metadata SERVICE_ACCOUNT", metadata.serviceAccount, serviceAccount) ??
    checkPod(ip, podUid, serviceAccount, pod)
  );
}

function checkPod(
  ip: string,
  podUid: string | undefined,
  serviceAccount: string | undefined,
  pod: PodFacts | undefined,
): ClaimsRefusal | undefined {
  if (pod === undefined) return undefined;
  if (podUid !== undefined && pod.uid !== podUid)
    return denied("the credential is of an earlier pod with the same name");
  const account = differs("service account of the pod", pod.serviceAccount, serviceAccount);
  if (account !== undefined) return account;
  if (pod.ips.length === 0 || pod.ips.includes(ip)) return undefined;
  return denied(`address of the node id: found ${shown(ip)}, expected ${pod.ips.join(" or ")}`);
}

/** Only what both sides say is compared. */
function differs(
  what: string,
  claimed: string | undefined,
  bound: string | undefined,
): ClaimsRefusal | undefined {
  if (claimed === undefined || bound === undefined || claimed === bound) return undefined;
  return denied(`${what}: found ${shown(claimed)}, expected ${bound} by its credential`);
}

function denied(refused: string): ClaimsRefusal {
  return { refused, code: PERMISSION_DENIED };
}

/** What a client sent, safe for a log line. */
function shown(value: string): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text;
}
