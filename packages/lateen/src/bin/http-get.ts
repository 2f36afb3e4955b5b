import { get } from "node:http";

const TIMEOUT_MS = 20_000;

/** Body of the answer, whatever its status is. Not `fetch`: loading that costs more than the call. */
export function httpGet(url: string): Promise<string> {
  return new Promise((done, fail) => {
    const outgoing = get(url, { timeout: TIMEOUT_MS }, answer => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => done(Buffer.concat(chunks).toString("utf8")));
      answer.on("error", fail);
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    outgoing.on("error", fail);
  });
}
