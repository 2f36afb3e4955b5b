/** `npm run bench -- kube [options]`: a control plane on a cluster of thousands of fake pods, with churn. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { kubeReportLines } from "../packages/lateen/bench/kube-report.ts";
import {
  type KubeScenarioOptions,
  runKubeScenario,
} from "../packages/lateen/bench/kube-scenario.ts";
import { timedProgress } from "./kube/progress.ts";

const USAGE = `usage: npm run bench -- kube [options]
A cluster of its own (API server, controllers, kwok; needs no root), taken away at the end.
  --pods N           fake pods; default 10000
  --services N       Deployments with a Service each, of 100 pods at most; default 100
  --namespaces N     default 10
  --proxies N        simulated sidecars, each with a pod's token; default 50
  --churn N          pods deleted (and created again) each second; default 10
  --seconds N        how long; default 60
  --repeats N        changes of each kind that are timed, with and without churn; default 20
  --json FILE        all figures as JSON, too
  --node-args ARGS   arguments of the Node that runs the control plane, in one text`;

const MAX_PODS_PER_SERVICE = 100;

/** The exit code. */
export async function benchKube(args: readonly string[]): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    console.error(USAGE);
    return 2;
  }
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  const { scenario, json } = options;
  const [cpu] = cpus();
  console.log(`Node ${process.version}, ${cpus().length} x ${cpu?.model ?? "unknown CPU"}`);
  const result = await runKubeScenario(scenario);
  for (const line of kubeReportLines(result)) console.log(line);
  if (json !== undefined) {
    const file = resolve(process.env["INIT_CWD"] ?? ".", json);
    writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
  }
  return 0;
}

interface Options {
  readonly scenario: KubeScenarioOptions;
  readonly json: string | undefined;
}

/** undefined: help is asked for. Throws where an option is wrong. */
function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      pods: { type: "string", default: "10000" },
      services: { type: "string", default: "100" },
      namespaces: { type: "string", default: "10" },
      proxies: { type: "string", default: "50" },
      churn: { type: "string", default: "10" },
      seconds: { type: "string", default: "60" },
      repeats: { type: "string", default: "20" },
      json: { type: "string" },
      "node-args": { type: "string", default: "" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const size = {
    pods: wholeNumber("pods", values.pods),
    services: wholeNumber("services", values.services),
    namespaces: wholeNumber("namespaces", values.namespaces),
    proxies: wholeNumber("proxies", values.proxies),
  };
  if (size.pods > size.services * MAX_PODS_PER_SERVICE)
    throw new Error(`--pods: at most ${MAX_PODS_PER_SERVICE} a Service`);
  if (size.proxies >= size.pods) throw new Error("--proxies: fewer than pods");
  const scenario: KubeScenarioOptions = {
    size,
    churnPerSecond: wholeNumber("churn", values.churn),
    churnSeconds: wholeNumber("seconds", values.seconds),
    repeats: wholeNumber("repeats", values.repeats),
    nodeArgs: values["node-args"].split(" ").filter(each => each !== ""),
    progress: timedProgress(text => process.stdout.write(text)),
  };
  return { scenario, json: values.json };
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`--${name}: found ${text}, expected a whole number above 0`);
}
