/** A kubeconfig that points kubectl at our API. */
import { stringify } from "yaml";

export interface KubeconfigOptions {
  /** `http://127.0.0.1:PORT`. */
  readonly server: string;
  /** Name of cluster, context and user. */
  readonly name: string;
  readonly token?: string;
  readonly namespace?: string;
}

/** The text of the file; it holds the token, so it must be written readable by its owner only. */
export function kubeconfig(options: KubeconfigOptions): string {
  const { server, name, token, namespace } = options;
  const place = namespace === undefined ? {} : { namespace };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user: token === undefined ? {} : { token } }],
    contexts: [{ name, context: { cluster: name, user: name, ...place } }],
    "current-context": name,
  });
}
