/** What commands ask of an API server, of a local mesh's or a cluster's. */
import { UserError } from "../cli/command.ts";
import type { ApiAnswer, ApiCall, Following, ReadingText } from "../cli/context.ts";
import type {
  Transport,
  TransportRequest,
  TransportResponse,
} from "../sources/client/transport.ts";
import { parseWarnings } from "../sources/client/warnings.ts";

/** Throws UserError where nobody answers. A body that is not JSON becomes a `message`. */
export async function callApi(transport: Transport, call: ApiCall): Promise<ApiAnswer> {
  return answerOf(await transport.request(requestOf(call)));
}

/** The answer in lines or pieces of text as they come; see `MeshAccess.follow` and `readText`. */
export async function followApi(
  transport: Transport,
  call: ApiCall,
  following: Following | ReadingText,
): Promise<ApiAnswer | undefined> {
  const { promise, resolve } = Promise.withResolvers<TransportResponse | undefined>();
  const { until } = following;
  const reader = { onOpen() {}, onLines() {}, ...following, onEnd: resolve };
  const stop = transport.stream(requestOf(call), reader);
  const refused = await Promise.race([promise, until.then(() => undefined)]);
  stop();
  return refused === undefined ? undefined : answerOf(refused);
}

function requestOf(call: ApiCall): TransportRequest {
  return {
    method: call.method,
    target: call.path,
    headers: {
      accept: call.accept ?? "application/json",
      ...(call.contentType === undefined ? {} : { "content-type": call.contentType }),
    },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
  };
}

function answerOf(answer: TransportResponse): ApiAnswer {
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
