/** `npm run charts`: makes what is made of the Helm charts in manifests/charts. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CHARTS, chartFiles } from "./charts/all.ts";

const folder = join(import.meta.dirname, "..", CHARTS);
for (const [path, text] of chartFiles()) {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
