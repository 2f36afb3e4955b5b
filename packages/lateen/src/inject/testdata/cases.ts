/** Workloads to inject, and under what configuration: golden files, and asked of the real Envoy. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterFeatures } from "../cluster-features.ts";
import { type InjectorConfig, type InjectorTexts, readInjectorConfig } from "../config.ts";

export const modern: ClusterFeatures = { nativeSidecars: true, sleepAction: true };
export const older: ClusterFeatures = { nativeSidecars: false, sleepAction: false };

const values = {
  global: {
    hub: "registry.example/mesh",
    tag: "1.0",
    proxy: {
      resources: {
        requests: { cpu: "100m", memory: "128Mi" },
        limits: { cpu: "2000m", memory: "1024Mi" },
      },
    },
  },
};

export interface InjectionCase {
  /** The file without .yaml; the golden file has `-older` behind it for older clusters. */
  readonly name: string;
  readonly features: ClusterFeatures;
  readonly texts: InjectorTexts;
}

const texts: InjectorTexts = { config: "", values: JSON.stringify(values), mesh: "" };
const dualStack: InjectorTexts = {
  config: "",
  values: JSON.stringify({ ...values, revision: "canary", pilot: { ipFamilies: ["IPv6", "IPv4"] } }),
  mesh: "defaultConfig:\n  concurrency: 4\n",
};

const outliers: InjectorTexts = {
  ...texts,
  values: JSON.stringify({ global: { proxy: { outlierLogPath: "/dev/null" } } }),
};

export const injectionCases: readonly InjectionCase[] = [
  ...["bookstore", "idle", "probed", "kinds", "gateway"].flatMap(name => [
    { name, features: modern, texts },
    { name, features: older, texts },
  ]),
  { name: "options", features: modern, texts: outliers },
  { name: "tproxy", features: modern, texts: dualStack },
];

export function textOf(name: string): string {
  return readFileSync(join(import.meta.dirname, `${name}.yaml`), "utf8");
}

export function configOf(from: InjectorTexts): InjectorConfig {
  const read = readInjectorConfig(from);
  if (!read.ok) throw new Error(JSON.stringify(read.diagnostics));
  return read.value;
}
