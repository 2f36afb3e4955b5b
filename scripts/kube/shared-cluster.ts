import { testImages } from "../images/build.ts";
import { down, up } from "./cluster.ts";
import { missingForKubernetes } from "./needs.ts";
import { timedProgress } from "./progress.ts";

/** In the environment of tests: the name of the cluster that they are to use. */
export const SHARED_CLUSTER = "LATEEN_KUBE_CLUSTER";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * A cluster for all test files of this run, or, where the environment names one that is up already,
 * that one. What is returned takes it away; so does a signal, and after a crash the next cluster.
 * Where there can be no cluster nothing is made: the tests skip themselves, each with the reason.
 */
export async function sharedCluster(): Promise<() => Promise<void>> {
  if (process.env[SHARED_CLUSTER] !== undefined) return async () => {};
  if (missingForKubernetes() !== false) return async () => {};
  const name = `run-${process.pid}`;
  const progress = timedProgress(text => process.stdout.write(text));
  const onSignal = (): void => {
    down(name).finally(() => process.exit(1));
  };
  for (const signal of SIGNALS) process.once(signal, onSignal);
  await up({ name, mode: "node", owned: true, images: testImages, progress });
  process.env[SHARED_CLUSTER] = name;
  return async () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    delete process.env[SHARED_CLUSTER];
    await down(name);
  };
}
