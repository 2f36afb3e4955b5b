/** `pods/NAME/log` (kubectl logs). */
import type { HttpAnswer, HttpRequest, HttpSink } from "../../net/http-server.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../json.ts";
import { type ApiResult, badRequest, succeeded } from "../status.ts";
import type { StoredObject } from "../store/stored.ts";
import { failedAnswer } from "./answer.ts";
import { count, flag } from "./api-request.ts";
import type { PodAccess, PodContainer } from "./pod-access.ts";

export function logAnswer(access: PodAccess, pod: StoredObject, request: HttpRequest): HttpAnswer {
  const of = containerOf(pod, request.query.get("container"));
  if (!of.ok) return failedAnswer(of);
  const since = sinceOf(request, access.now());
  if (!since.ok) return failedAnswer(since);
  const tail = count(request, "tailLines");
  if (!tail.ok) return failedAnswer(tail);
  const limit = count(request, "limitBytes");
  if (!limit.ok) return failedAnswer(limit);
  const ended = new AbortController();
  const options = {
    previous: flag(request, "previous"),
    follow: flag(request, "follow"),
    tail: tail.value,
    since: since.value,
    timestamps: flag(request, "timestamps"),
  };
  const pieces = access.logs(of.value, options, ended.signal);
  if (!pieces.ok) return failedAnswer(pieces);
  return {
    status: 200,
    contentType: "text/plain",
    stream: sink => {
      void copyTo(sink, pieces.value, limit.value ?? Number.POSITIVE_INFINITY, ended.signal);
      return () => ended.abort();
    },
  };
}

/** `sinceSeconds` or `sinceTime`, of which the API takes one. */
function sinceOf(request: HttpRequest, now: number): ApiResult<number | undefined> {
  const seconds = count(request, "sinceSeconds");
  if (!seconds.ok) return seconds;
  const text = request.query.get("sinceTime") ?? "";
  if (seconds.value !== undefined && text !== "")
    return badRequest("sinceTime: at most one of sinceTime and sinceSeconds may be specified");
  if (seconds.value !== undefined) return succeeded(now - seconds.value * 1000);
  if (text === "") return succeeded(undefined);
  const time = Date.parse(text);
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(time)) return succeeded(time);
  return badRequest(
    `sinceTime: Invalid value: ${JSON.stringify(text)}: expected a time like 2026-01-02T15:04:05Z`,
  );
}

/** Nothing is read ahead of what the client takes. */
async function copyTo(
  sink: HttpSink,
  pieces: AsyncIterable<Uint8Array>,
  limit: number,
  signal: AbortSignal,
): Promise<void> {
  let left = limit;
  let drained = (): void => {};
  sink.onDrain(() => drained());
  signal.addEventListener("abort", () => drained());
  try {
    for await (const piece of pieces) {
      if (signal.aborted || left <= 0) break;
      const taken = piece.subarray(0, left);
      left -= taken.length;
      if (sink.write(taken) || signal.aborted) continue;
      await new Promise<void>(done => {
        drained = done;
      });
    }
  } catch {
    // The files went with their pod: what was read of them is there.
  }
  sink.end();
}

/** Names are the pod's; the container is checked, as what is not there is easily mistyped. */
export function containerOf(pod: StoredObject, asked: string | null): ApiResult<PodContainer> {
  const { namespace, name } = pod;
  const spec = objectAt(pod.json, "spec");
  const names = ["initContainers", "containers"]
    .flatMap(list => arrayAt(spec, list))
    .filter(isObject)
    .map(container => stringAt(container, "name"));
  if (asked === null || asked === "") return succeeded({ namespace, name, container: undefined });
  if (names.includes(asked)) return succeeded({ namespace, name, container: asked });
  return badRequest(
    `container ${asked} is not valid for pod ${name}: its containers are ${names.join(", ")}`,
  );
}
