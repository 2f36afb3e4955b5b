/** A question to the person at the terminal. */
import { createInterface } from "node:readline";
import type { Output } from "../cli/context.ts";

/** Only y and yes are a yes; the end of the input is a no. */
export function confirmed(question: string, out: Output): Promise<boolean> {
  out.write(question);
  const lines = createInterface({ input: process.stdin });
  return new Promise(done => {
    lines.once("line", line => {
      done(/^y(es)?$/i.test(line.trim()));
      lines.close();
    });
    lines.once("close", () => done(false));
  });
}
