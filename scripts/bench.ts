/**
 * `npm run bench -- [options]`: a control plane of its own process under simulated sidecars; prints
 * times, bytes, CPU and memory beside the reference's and beside a floor.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { SourceName } from "../packages/lateen/bench/config.ts";
import type { LoadSize } from "../packages/lateen/bench/load.ts";
import { reportLines } from "../packages/lateen/bench/report.ts";
import { runScenario, type ScenarioResult } from "../packages/lateen/bench/scenario.ts";
import { benchKube } from "./bench-kube.ts";

const USAGE = `usage: npm run bench -- [options]
       npm run bench -- kube [options]      on a Kubernetes API server with 10,000 pods; see --help there
  --scenario LIST    unscoped, scoped, large (1,000 x 1,000, scoped); default unscoped,scoped
  --source NAME      store (the embedded store's API) or files (a folder of YAML); default store
  --proxies N        sidecars; default 200
  --services N       services; default 500
  --endpoints N      endpoints of each; default 10
  --namespaces N     default 10
  --repeats N        how often each change is made; medians are shown; default 5
  --json FILE        all figures as JSON, too
  --cpu-prof DIR     CPU profiles of the control plane
  --node-args ARGS   arguments of the Node that runs the control plane, in one text`;

const [, , command, ...rest] = process.argv;
const onKubernetes = command === "kube";

const { values } = parseArgs({
  args: onKubernetes ? [] : process.argv.slice(2),
  options: {
    scenario: { type: "string", default: "unscoped,scoped" },
    source: { type: "string", default: "store" },
    proxies: { type: "string", default: "200" },
    services: { type: "string", default: "500" },
    endpoints: { type: "string", default: "10" },
    namespaces: { type: "string", default: "10" },
    repeats: { type: "string", default: "5" },
    json: { type: "string" },
    "cpu-prof": { type: "string" },
    "node-args": { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});

const LARGE = 1000;

if (onKubernetes) process.exitCode = await benchKube(rest);
else if (values.help) console.log(USAGE);
else process.exitCode = await bench();

async function bench(): Promise<number> {
  const names = values.scenario.split(",");
  const unknown = names.find(name => !["unscoped", "scoped", "large"].includes(name));
  if (unknown !== undefined) return refuse(`no scenario "${unknown}"`);
  if (values.source !== "store" && values.source !== "files") {
    return refuse(`no source "${values.source}"`);
  }
  const results: (ScenarioResult | Failed)[] = [];
  const [cpu] = cpus();
  console.log(`Node ${process.version}, ${cpus().length} x ${cpu?.model ?? "unknown CPU"}`);
  for (const name of names) {
    const result = await run(name, values.source).catch((error: unknown): Failed => {
      return { name, failure: error instanceof Error ? error.message : String(error) };
    });
    results.push(result);
    const lines = "size" in result ? reportLines(result) : [`${name}: FAILED: ${result.failure}`];
    for (const line of lines) console.log(line);
    writeJson(results);
  }
  return results.some(each => each.failure !== undefined) ? 1 : 0;
}

/** A scenario of which nothing was measured. */
interface Failed {
  readonly name: string;
  readonly failure: string;
}

/** After each scenario: what was measured outlives what comes next. */
function writeJson(results: readonly unknown[]): void {
  if (values.json === undefined) return;
  const file = resolve(process.env["INIT_CWD"] ?? ".", values.json);
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}

function run(name: string, source: SourceName): Promise<ScenarioResult> {
  const profiles = values["cpu-prof"];
  const profiled =
    profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${resolve(profiles)}`];
  const given = values["node-args"].split(" ").filter(each => each !== "");
  const nodeArgs = [...given, ...profiled];
  const size: LoadSize = {
    proxies: name === "large" ? LARGE : count("proxies"),
    services: name === "large" ? LARGE : count("services"),
    endpoints: count("endpoints"),
    namespaces: count("namespaces"),
    scoped: name !== "unscoped",
  };
  return runScenario({ name, size, source, repeats: count("repeats"), nodeArgs });
}

function count(option: "proxies" | "services" | "endpoints" | "namespaces" | "repeats"): number {
  const value = Number(values[option]);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`--${option}: found ${values[option]}, expected a whole number above 0`);
  }
  return value;
}

function refuse(message: string): number {
  console.error(message);
  console.error(USAGE);
  return 2;
}
