/**
 * Who may ask what about the mesh over xDS (Istio: pilot/pkg/xds/debuggen.go, statusgen.go). The control
 * plane's own namespace may ask everything, others the three pages about proxies of their own, and who
 * has shown nothing may ask nothing. Whatever is not named here is refused.
 */
import type { AuthenticatedPeer } from "./authenticate.ts";

/** gRPC's codes. */
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/** Pages about one proxy. */
const OWN_PAGES: ReadonlySet<string> = new Set(["config_dump", "ndsz", "edsz"]);
const SHOWN_LENGTH_MAX = 120;

export interface DebugScope {
  /** Only proxies of this namespace; undefined: of all. */
  readonly namespace: string | undefined;
}

/** `page` is the name of a debug page (`syncz`), without its query. */
export function debugAccess(
  { identity, claims }: Pick<AuthenticatedPeer, "identity" | "claims">,
  page: string,
  systemNamespace: string,
): DebugScope | { readonly refused: string; readonly code: number } {
  const namespace = claims["namespace"];
  if (identity === undefined || namespace === undefined)
    return {
      refused: "authentication required: debug types are answered over TLS, to a token",
      code: UNAUTHENTICATED,
    };
  if (namespace === systemNamespace) return { namespace: undefined };
  if (OWN_PAGES.has(page)) return { namespace };
  const shown = JSON.stringify(page.slice(0, SHOWN_LENGTH_MAX));
  const refused =
    `debug information ${shown} is not for ${identity}: outside namespace ${systemNamespace} ` +
    `there are ${[...OWN_PAGES].join(", ")} of one's own proxies`;
  return { refused, code: PERMISSION_DENIED };
}
