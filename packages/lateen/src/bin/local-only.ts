/** Debug pages say everything about the mesh: on addresses others can reach they are for this host. */
import type { HttpRoute } from "../net/http-server.ts";

const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

/** `kubectl port-forward` comes from loopback, inside the pod (Istio: debug endpoints of istiod). */
export function debugFromLoopback(routes: readonly HttpRoute[]): HttpRoute[] {
  return routes.map(route =>
    route.pattern.startsWith("/debug")
      ? {
          ...route,
          handle: request =>
            LOOPBACK.test(request.peerAddress)
              ? route.handle(request)
              : {
                  status: 403,
                  body: "debug pages are for loopback only: use a port-forward to this pod\n",
                  contentType: "text/plain; charset=utf-8",
                },
        }
      : route,
  );
}
