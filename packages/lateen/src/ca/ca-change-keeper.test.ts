import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../base/log.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import { keptChange } from "./ca-change-keeper.ts";

function answering(status: number): ApiClient {
  const body = JSON.stringify({ kind: "Status", code: status, message: "so it is" });
  return new ApiClient({
    request: async () => ({ status, warning: "", body }),
    stream: () => () => {},
  });
}

test("who may not read the kept change starts without it; no answer is no 'there is none'", async () => {
  const kept = (status: number) => keptChange(answering(status), "istio-system", 0, silentLog);
  assert.equal(await kept(404), undefined);
  assert.equal(await kept(403), undefined);
  for (const status of [500, 503, 0])
    await assert.rejects(kept(status), /Secret lateen-ca-change: /, String(status));
});
