/**
 * `npm run soak -- [--minutes N] [--only TEXT]`: the property tests of `check` with more time, and good
 * proxies among hostile clients: each is tried for an equal share of the minutes. A failure prints its seed and its example.
 */
import { parseArgs } from "node:util";
import { runSteps } from "./run-steps.ts";

/** Files whose properties have a budget (test/support/budget.ts), and how many they have. */
const PROPERTIES: Readonly<Record<string, number>> = {
  "packages/lateen/src/flow/random-graph.test.ts": 2,
  "packages/lateen/src/flow/watch.test.ts": 2,
  "packages/lateen/src/discovery/stream.property.test.ts": 2,
  "packages/lateen/src/xds/resources/incremental.test.ts": 1,
  "packages/lateen/src/xds/encode.test.ts": 5,
  "packages/lateen/src/api/decode.property.test.ts": 34,
  "packages/lateen/src/sources/store/store.property.test.ts": 2,
  "packages/lateen/src/authn/token.test.ts": 2,
  "packages/lateen/src/bin/foreign-first-message.test.ts": 2,
  "packages/lateen/test/unit/hostile-clients.test.ts": 1,
};
const MINUTES_DEFAULT = 4;
/** Files run two at a time (run-steps.ts), their properties one after the other. */
const AT_A_TIME = 2;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: String(MINUTES_DEFAULT) },
    only: { type: "string", default: "" },
  },
});
process.exitCode = await soak(Number(values.minutes));

async function soak(minutes: number): Promise<number> {
  const files = Object.keys(PROPERTIES).filter(file => file.includes(values.only));
  if (!(minutes > 0) || files.length === 0) {
    console.error("usage: npm run soak -- [--minutes N] [--only PART-OF-A-FILE-NAME]");
    return 2;
  }
  const each = (minutes * 60 * AT_A_TIME) / files.length;
  let worst = 0;
  const groups = Map.groupBy(files, file => PROPERTIES[file] ?? 1);
  for (const [properties, group] of groups) {
    const seconds = Math.max(1, Math.round(each / properties));
    process.env["LATEEN_SOAK_SECONDS"] = String(seconds);
    const name = `${seconds} s for each property of ${group.length} files`;
    worst = Math.max(worst, await runSteps([{ name, tests: group }]));
  }
  return worst;
}
