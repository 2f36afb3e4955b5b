/** Secrets of the root namespace over the configuration API, for the CA's and the tokens' keys. */

import { secretKind } from "../api/secret/kind.ts";
import type { SecretPort } from "../base/secret-port.ts";
import { decodeSecretData } from "../ca/ca-secrets.ts";
import type { ApiClient } from "../sources/client/api-client.ts";

/** A failure to read or write is thrown: a control plane without its key must not make another. */
export function secretPort(client: ApiClient, namespace: string): SecretPort {
  return {
    async get(name) {
      const answer = await client.get(secretKind, namespace, name);
      if (!answer.ok) {
        if (answer.status.code === 404) return undefined;
        throw new Error(`Secret ${namespace}/${name} can not be read: ${answer.status.message}`);
      }
      const data = answer.value["data"];
      return decodeSecretData(typeof data === "object" && data !== null ? data : {});
    },
    async create(name, type, data) {
      const answer = await client.create(secretKind, namespace, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name, namespace },
        type,
        data: Object.fromEntries(
          Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
        ),
      });
      if (answer.ok) return "created";
      if (answer.status.code === 409) return "exists";
      throw new Error(`Secret ${namespace}/${name} can not be written: ${answer.status.message}`);
    },
  };
}
