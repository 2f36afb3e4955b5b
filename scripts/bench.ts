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
import {
  isScenarioName,
  type ScenarioName,
  scenarioSizes,
} from "../packages/lateen/bench/scenario-sizes.ts";
import {
  measureSidecar,
  type SidecarCost,
  sidecarLines,
} from "../packages/lateen/bench/sidecar-cost.ts";
import { summaryLines } from "../packages/lateen/bench/summary.ts";
import { benchKube } from "./bench-kube.ts";

const DEFAULT_SCENARIOS = "unscoped,scoped,tcp,tcp-scoped";
/** No simulated sidecars: one real one. */
const SIDECAR = "sidecar";

const USAGE = `usage: npm run bench -- [options]
       npm run bench -- kube [options]      on a Kubernetes API server with 10,000 pods; see --help there
  --scenario LIST    of HTTP services: unscoped, scoped, large (1,000 x 1,000, scoped);
                     of services with a TCP port, too: tcp, tcp-scoped, tcp-2000, tcp-10000 (sidecars,
                     scoped), mixed (headless services, UDP ports, names that clash);
                     sidecar (the memory of a real Envoy, needs root); default ${DEFAULT_SCENARIOS}
  --source NAME      store (the embedded store's API) or files (a folder of YAML); default store
  --proxies N        sidecars; the default of these four is the scenario's own
  --services N       services
  --endpoints N      endpoints of each
  --namespaces N     namespaces
  --repeats N        how often each change is made; medians are shown; default 5
  --json FILE        all figures as JSON, too
  --cpu-prof DIR     CPU profiles of the control plane
  --node-args ARGS   arguments of the Node that runs the control plane, in one text`;

const [, , command, ...rest] = process.argv;
const onKubernetes = command === "kube";

const { values } = parseArgs({
  args: onKubernetes ? [] : process.argv.slice(2),
  options: {
    scenario: { type: "string", default: DEFAULT_SCENARIOS },
    source: { type: "string", default: "store" },
    proxies: { type: "string" },
    services: { type: "string" },
    endpoints: { type: "string" },
    namespaces: { type: "string" },
    repeats: { type: "string", default: "5" },
    json: { type: "string" },
    "cpu-prof": { type: "string" },
    "node-args": { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});

if (onKubernetes) process.exitCode = await benchKube(rest);
else if (values.help) console.log(USAGE);
else process.exitCode = await bench();

async function bench(): Promise<number> {
  const names = values.scenario.split(",");
  const unknown = names.find(name => name !== SIDECAR && !isScenarioName(name));
  if (unknown !== undefined) return refuse(`no scenario "${unknown}"`);
  if (values.source !== "store" && values.source !== "files") {
    return refuse(`no source "${values.source}"`);
  }
  const [cpu] = cpus();
  console.log(`Node ${process.version}, ${cpus().length} x ${cpu?.model ?? "unknown CPU"}`);
  const done: Done = { results: [], failed: [], sidecar: undefined };
  for (const name of names) {
    await measure(name, values.source, done).catch((error: unknown) => {
      const failure = error instanceof Error ? error.message : String(error);
      done.failed.push({ name, failure });
      console.log(`${name}: FAILED: ${failure}`);
    });
    writeJson(done);
  }
  for (const line of summaryLines(done.results, done.sidecar)) console.log(line);
  const failures = [...done.failed, ...done.results.filter(each => each.failure !== undefined)];
  return failures.length > 0 ? 1 : 0;
}

interface Done {
  readonly results: ScenarioResult[];
  readonly failed: Failed[];
  sidecar: SidecarCost | undefined;
}

async function measure(name: string, source: SourceName, done: Done): Promise<void> {
  if (isScenarioName(name)) {
    const result = await run(name, source);
    done.results.push(result);
    for (const line of reportLines(result)) console.log(line);
  } else {
    done.sidecar = await measureSidecar(nodeArgs());
    for (const line of sidecarLines(done.sidecar)) console.log(line);
  }
}

/** A scenario of which nothing was measured. */
interface Failed {
  readonly name: string;
  readonly failure: string;
}

/** After each scenario: what was measured outlives what comes next. */
function writeJson({ results, failed, sidecar }: Done): void {
  if (values.json === undefined) return;
  const file = resolve(process.env["INIT_CWD"] ?? ".", values.json);
  writeFileSync(file, `${JSON.stringify({ results, failed, sidecar }, undefined, 2)}\n`);
}

function run(name: ScenarioName, source: SourceName): Promise<ScenarioResult> {
  const own: LoadSize = scenarioSizes[name];
  const size: LoadSize = {
    ...own,
    proxies: count("proxies", own.proxies),
    services: count("services", own.services),
    endpoints: count("endpoints", own.endpoints),
    namespaces: count("namespaces", own.namespaces),
  };
  const repeats = count("repeats", 0);
  return runScenario({ name, size, source, repeats, nodeArgs: nodeArgs() });
}

function nodeArgs(): readonly string[] {
  const profiles = values["cpu-prof"];
  const profiled =
    profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${resolve(profiles)}`];
  return [...values["node-args"].split(" ").filter(each => each !== ""), ...profiled];
}

type Counted = "proxies" | "services" | "endpoints" | "namespaces" | "repeats";

function count(option: Counted, otherwise: number): number {
  const text = values[option];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`--${option}: found ${text}, expected a whole number above 0`);
  }
  return value;
}

function refuse(message: string): number {
  console.error(message);
  console.error(USAGE);
  return 2;
}
