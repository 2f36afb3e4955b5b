/**
 * The debug interface on Istio's ports 8080 and 15014 (features rows 217 and 219). Loopback only;
 * nothing here changes anything, and no answer holds a private key.
 */
import type { HttpAnswer, HttpRequest, HttpRoute } from "../net/http-server.ts";
import type { ControlPlaneMetrics } from "./metrics.ts";
import { type DebugPage, text } from "./pages.ts";

export interface DebugSources {
  readonly version: string;
  readonly instance: string;
  readonly metrics: ControlPlaneMetrics;
  /** Why no proxy and no request should come here now; undefined: they may. */
  readonly notReady: () => string | undefined;
}

export function debugRoutes(sources: DebugSources, pages: readonly DebugPage[]): HttpRoute[] {
  const get = (
    pattern: string,
    handle: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>,
  ): HttpRoute => ({ method: "GET", pattern, handle });
  const index = indexOf(pages);
  return [
    get("/ready", () => {
      const why = sources.notReady();
      return why === undefined ? text(200, "ready\n") : text(503, `${why}\n`);
    }),
    get("/version", () => ({ status: 200, json: versionOf(sources) })),
    get("/metrics", async () => ({
      status: 200,
      body: await sources.metrics.render(),
      contentType: sources.metrics.contentType,
    })),
    ...pages.map(page => get(`/debug/${page.name}`, ({ query }) => page.answer(query, undefined))),
    get("/debug", () => text(200, index)),
    get("/debug/", () => text(200, index)),
  ];
}

/** istioctl reads `clientVersion` (Istio: pkg/version), and fails on JSON without it. */
function versionOf({ version, instance }: DebugSources): unknown {
  const clientVersion = { version, revision: "", golang_version: "", status: "", tag: version };
  return { version, instance, clientVersion };
}

function indexOf(pages: readonly DebugPage[]): string {
  const paths = pages.map(({ name, usage }) => `/debug/${name}${usage}`);
  const width = Math.max(...paths.map(path => path.length)) + 2;
  return pages.map(({ help }, i) => `${(paths[i] ?? "").padEnd(width)}${help}\n`).join("");
}
