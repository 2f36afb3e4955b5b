/** What `lateen up` holds: store, network, control plane, runtime; started in order, ended in reverse. */
import { findEnvoy } from "../local/envoy-binary.ts";
import { openLocalNetwork } from "../local/open-network.ts";
import { startTimeOf } from "../local/proc.ts";
import { startControlPlane } from "./control-plane-start.ts";
import { openApi } from "./mesh-api.ts";
import { createMeshHome, removeState, writeState } from "./mesh-home.ts";
import { runPods } from "./mesh-pods.ts";
import { prepareSystem, refuseSecond, refuseWhereImpossible } from "./preconditions.ts";
import { must, type SupervisorOptions } from "./supervisor-options.ts";
import { Undo } from "./undo.ts";
import { waitForGateway } from "./wait-for-gateway.ts";

export interface RunningMesh {
  stop(): Promise<void>;
}

/** undefined: interrupted, and everything is cleaned up. Throws UserError with what to do. */
export async function startMesh(options: SupervisorOptions): Promise<RunningMesh | undefined> {
  const undo = new Undo();
  const stop = () => undo.run(options.log);
  try {
    await start(options, undo);
    return { stop };
  } catch (error) {
    await stop();
    if (options.interrupted.aborted) return undefined;
    throw error;
  }
}

/** Each step is finished before an interruption counts: only then is it known what to undo. */
async function start(options: SupervisorOptions, undo: Undo): Promise<void> {
  const { home, log, progress, interrupted } = options;
  refuseWhereImpossible();
  refuseSecond(home);
  createMeshHome(home);
  await prepareSystem(options);
  interrupted.throwIfAborted();
  const envoy = must(await findEnvoy({ path: options.envoy, env: options.env, log }));
  interrupted.throwIfAborted();
  progress(`envoy ${envoy.version}: ${envoy.path}`);
  const network = must(await openLocalNetwork(home.runtimeDir, log));
  undo.push(() => network.close());
  interrupted.throwIfAborted();
  const store = await openApi(options, undo, network);
  interrupted.throwIfAborted();
  progress(`store: ${store.url} (kubectl --kubeconfig ${home.kubeconfigFile})`);
  const debug = await startControlPlane(options, undo, store, network);
  progress(`control plane: ${debug.url} (metrics: ${debug.metrics}, log: ${home.logFile})`);
  const runtime = await runPods(options, undo, store, network, envoy.path);
  undo.push(() => runtime.stop());
  const ingress = await waitForGateway(store.client, interrupted);
  writeState(home, {
    supervisor: { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" },
    api: { url: store.url, token: store.token, ca: store.ca },
    debugUrl: debug.url,
    ingress,
    startedAt: new Date().toISOString(),
  });
  undo.push(() => removeState(home));
  progress(`ingress gateway: http://${ingress}`);
  progress(`mesh is ready; Ctrl-C ends it`);
}
