/** A kubeconfig that points kubectl at our API. */
import { stringify } from "yaml";

export interface KubeconfigOptions {
  /** `https://127.0.0.1:PORT`. */
  readonly server: string;
  /** PEM of the authority that signed the server's certificate, for https. */
  readonly certificateAuthority?: string;
  /** Name of cluster, context and user. */
  readonly name: string;
  /** Only for https: kubectl sends none over http. */
  readonly token?: string;
  readonly namespace?: string;
}

/** The text of the file; it holds the token, so it must be written readable by its owner only. */
export function kubeconfig(options: KubeconfigOptions): string {
  const { server, name, token, namespace, certificateAuthority: authority } = options;
  const trust =
    authority === undefined
      ? {}
      : { "certificate-authority-data": Buffer.from(authority).toString("base64") };
  const place = namespace === undefined ? {} : { namespace };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, ...trust } }],
    users: [{ name, user: token === undefined ? {} : { token } }],
    contexts: [{ name, context: { cluster: name, user: name, ...place } }],
    "current-context": name,
  });
}
