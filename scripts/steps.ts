import { join } from "node:path";
import { sharedCluster } from "./kube/shared-cluster.ts";
import type { Step } from "./run-steps.ts";

export const root: string = join(import.meta.dirname, "..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);

/** What is quick enough to run before each commit. */
export function fastSteps(): Step[] {
  return [
    { name: "types", command: [bin("tsc"), "-p", root] },
    { name: "format and lint", command: [bin("biome"), "check", "--error-on-warnings", root] },
    { name: "layers", command: [process.execPath, join(root, "scripts/lint-layers.ts")] },
    {
      name: "unit, property and golden tests",
      tests: [
        "packages/lateen/src/**/*.test.ts",
        "packages/lateen/test/unit/**/*.test.ts",
        "packages/envoy-api/test/*.test.mjs",
      ],
    },
  ];
}

/** All of it: what needs root, network namespaces, a real Envoy, and at last a real Kubernetes. */
export function fullSteps(): Step[] {
  return [
    ...fastSteps(),
    { name: "real Envoy tests", tests: ["packages/lateen/test/envoy/**/*.test.ts"], serial: true },
    { name: "end-to-end tests", tests: ["packages/lateen/test/e2e/**/*.test.ts"], serial: true },
    ...kubeSteps(),
  ];
}

/**
 * What needs a real Kubernetes; one cluster is shared. Last, so that a machine that has to build
 * Kubernetes first does not do so beside tests that count on having it for themselves.
 */
export function kubeSteps(): Step[] {
  const tests = ["packages/lateen/test/kube/**/*.test.ts"];
  return [{ name: "Kubernetes tests", tests, serial: true, lane, prepare: sharedCluster }];
}

/**
 * Clusters of one machine do not meet. A file that makes one for itself alone goes beside those that use
 * the shared one: both mostly wait for pods, each with less than one core's work.
 */
function lane(text: string): string {
  return /\bBareCluster\b|\bkubeCluster\(\)/.test(text) ? "shared cluster" : "own cluster";
}
