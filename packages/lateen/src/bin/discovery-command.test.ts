import assert from "node:assert/strict";
import { test } from "node:test";
import type { CliContext } from "../cli/context.ts";
import { createRoot, runCli } from "../cli/main.ts";
import { discoveryCommand } from "./discovery-command.ts";

/** What the command says before anything listens. */
async function refusal(line: string): Promise<string> {
  let stderr = "";
  const code = await runCli(["discovery", ...line.split(" ")], {
    root: createRoot([discoveryCommand]),
    stdout: { write: () => {} },
    stderr: {
      write: text => {
        stderr += text;
      },
    },
    createContext: () => ({ version: "1", stderr: { write: () => {} } }) as unknown as CliContext,
  });
  assert.equal(code, 1, line);
  return stderr;
}

test("flags that would do nothing are refused, not dropped", async () => {
  const here = import.meta.dirname;
  assert.match(
    await refusal(`--files ${here} --tls-addr 127.0.0.1:15012`),
    /^--tls-addr does nothing with --files: a folder has no CA/,
  );
  assert.match(await refusal(`--files ${here} --certificate-lifetime 60`), /^--certificate-life/);
  assert.match(await refusal(`--files ${here} --api-server https://x`), /exclude one another/);
  assert.match(await refusal("--files /nowhere"), /^--files: there is no folder \/nowhere/);
});
