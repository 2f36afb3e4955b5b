/** Helm itself, built from its Go module. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { JsonObject } from "../../src/api/kind.ts";
import { goProgram, needsGo } from "./go-program.ts";
import type { Ran } from "./kube-cluster.ts";

const root = join(import.meta.dirname, "../../../..");
const BUILD_MS = 1_800_000;
const COMMAND_MS = 300_000;

export const CHART_FOLDERS = {
  base: "base",
  istiod: "istio-control/istio-discovery",
  gateway: "gateway",
} as const;

export type ChartName = keyof typeof CHART_FOLDERS;

export function chartPath(chart: ChartName): string {
  return join(root, "manifests/charts", CHART_FOLDERS[chart]);
}

/** Why there is no Helm here, for `skip`. */
export function needsHelm(): string | false {
  return needsGo("to build Helm");
}

let built: Promise<string> | undefined;

function helmBinary(): Promise<string> {
  built ??= goProgram({
    name: "helm",
    folder: join(root, "scripts/helm/go"),
    files: ["go.mod", "go.sum"],
    main: "helm.sh/helm/v4/cmd/helm",
    buildMs: BUILD_MS,
  });
  return built;
}

/** Runs it; a kubeconfig and values of the caller's choice, nothing of the user's. */
export async function helm(
  args: readonly string[],
  options: { readonly kubeconfig?: string; readonly values?: JsonObject } = {},
): Promise<Ran> {
  const program = await helmBinary();
  const { kubeconfig = "/dev/null", values } = options;
  const more = values === undefined ? [] : ["--values", "-"];
  return new Promise(done => {
    const env = { PATH: process.env["PATH"], HOME: "/nonexistent", KUBECONFIG: kubeconfig };
    const settings = { env, timeout: COMMAND_MS, maxBuffer: 64 << 20 };
    const child = execFile(program, [...args, ...more], settings, (error, stdout, stderr) => {
      const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
      done({ code, stdout, stderr });
    });
    child.stdin?.end(values === undefined ? "" : JSON.stringify(values));
  });
}

export interface Release {
  readonly chart: ChartName;
  readonly name: string;
  readonly namespace: string;
  readonly values: JsonObject;
}

/** The objects of `helm template`. */
export async function templated(release: Release): Promise<readonly JsonObject[]> {
  const { chart, name, namespace, values } = release;
  const args = ["template", name, chartPath(chart), "--namespace", namespace];
  const { code, stdout, stderr } = await helm(args, { values });
  assert.equal(code, 0, stderr);
  return parseAllDocuments(stdout).map(document => {
    assert.deepEqual(document.errors, []);
    const object: unknown = document.toJS();
    return object as JsonObject;
  });
}

/** Why `helm template` fails. */
export async function templateError(release: Release): Promise<string> {
  const { chart, name, namespace, values } = release;
  const args = ["template", name, chartPath(chart), "--namespace", namespace];
  const { code, stderr } = await helm(args, { values });
  assert.notEqual(code, 0);
  return stderr;
}
