/** What commands ask of an API server, of a local mesh's or a cluster's. */
import { UserError } from "../cli/command.ts";
import type { ApiAnswer, ApiCall } from "../cli/context.ts";
import type { Transport } from "../sources/client/transport.ts";
import { parseWarnings } from "../sources/client/warnings.ts";

/** Throws UserError where nobody answers. A body that is not JSON becomes a `message`. */
export async function callApi(transport: Transport, call: ApiCall): Promise<ApiAnswer> {
  const answer = await transport.request({
    method: call.method,
    target: call.path,
    headers: {
      accept: call.accept ?? "application/json",
      ...(call.contentType === undefined ? {} : { "content-type": call.contentType }),
    },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
  });
  if (answer.status === 0) throw new UserError(answer.body);
  return {
    status: answer.status,
    body: parseJson(answer.body),
    warnings: parseWarnings(answer.warning),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}
