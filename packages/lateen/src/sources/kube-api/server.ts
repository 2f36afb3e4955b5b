/** The API over HTTP, for kubectl, our CLI and controllers. */

import type { Log } from "../../base/log.ts";
import { type HttpListener, type HttpTls, serveHttp } from "../../net/http-server.ts";
import { statusBody } from "./answer.ts";
import { MAX_BODY_BYTES } from "./body.ts";
import { type KubeApiOptions, kubeApiHandler, kubeApiUpgrade } from "./handler.ts";

export interface KubeApiServerOptions extends KubeApiOptions {
  readonly log: Log;
  /** Loopback, unless a token is set and more is wanted. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Without it kubectl sends no token: it keeps them for HTTPS. */
  readonly tls?: HttpTls;
}

/** Listens until closed. Rejects when the address can not be had. */
export function serveKubeApi(options: KubeApiServerOptions): Promise<HttpListener> {
  const handle = kubeApiHandler(options);
  return serveHttp(
    {
      routes: [{ method: "*", pattern: "/*path", handle }],
      log: options.log,
      bodyLimitBytes: MAX_BODY_BYTES,
      errorBody: statusBody,
      upgrade: kubeApiUpgrade(options),
      ...(options.tls === undefined ? {} : { tls: options.tls }),
    },
    { host: options.host, port: options.port },
  );
}
