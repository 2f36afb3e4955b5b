/** What `lateen up` holds: store, network, control plane, runtime; started in order, ended in reverse. */

import { UserError } from "../cli/command.ts";
import { shellWord } from "../cli/kubectl.ts";
import { findEnvoy } from "../local/envoy-binary.ts";
import { RANGE_TAKEN } from "../local/node-network.ts";
import { type LocalNetwork, openLocalNetwork } from "../local/open-network.ts";
import { startTimeOf } from "../local/proc.ts";
import { commandClock } from "./command-clock.ts";
import { startControlPlane } from "./control-plane-start.ts";
import { openApi } from "./mesh-api.ts";
import { claimHome } from "./mesh-claim.ts";
import { createMeshHome, type MeshHome, removeState, writeState } from "./mesh-home.ts";
import { runPods } from "./mesh-pods.ts";
import { keepRange, rangeOf, rangeTaken } from "./mesh-range.ts";
import { prepareSystem, refuseWhereImpossible } from "./preconditions.ts";
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
    throw machineProblem(error, options.home);
  }
}

/** Each step is finished before an interruption counts: only then is it known what to undo. */
async function start(options: SupervisorOptions, undo: Undo): Promise<void> {
  const { home, log, progress, interrupted } = options;
  refuseWhereImpossible();
  createMeshHome(home);
  undo.push(claimHome(home));
  await prepareSystem(options);
  interrupted.throwIfAborted();
  const envoy = must(await findEnvoy({ path: options.envoy, env: options.env, log }));
  interrupted.throwIfAborted();
  progress(`envoy ${envoy.version}: ${envoy.path}`);
  const network = await openNetwork(options);
  undo.push(() => network.close());
  keepRange(home, network.node.plan.prefix);
  interrupted.throwIfAborted();
  const store = await openApi(options, undo, network);
  interrupted.throwIfAborted();
  progress(`store: ${store.url} (kubectl --kubeconfig ${shellWord(home.kubeconfigFile)})`);
  const debug = await startControlPlane(options, undo, store, network);
  progress(`control plane: ${debug.url} (metrics: ${debug.metrics}, log: ${home.logFile})`);
  const runtime = await runPods(options, undo, store, network, envoy.path);
  undo.push(() => runtime.stop());
  const ingress = await waitForGateway({
    client: store.client,
    interrupted,
    clock: commandClock,
    progress,
  });
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

async function openNetwork({ home, log }: SupervisorOptions): Promise<LocalNetwork> {
  const opened = await openLocalNetwork(home.runtimeDir, log, rangeOf(home));
  const [first] = opened.diagnostics;
  if (!opened.ok && first?.reason === RANGE_TAKEN) throw rangeTaken(home, first.message);
  return must(opened);
}

/** What the machine does not allow is no bug: a sentence, with where. */
function machineProblem(error: unknown, home: MeshHome): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const code = "code" in error ? String(error.code) : "";
  const text = error.message;
  const full = code === "ENOSPC" || code === "EDQUOT" || /disk is full|disk I\/O/.test(text);
  if (full)
    return new UserError(
      `the mesh could not be started, and nothing of it is left: ${text}`,
      `is there space on the disk of ${home.dir}? or set LATEEN_HOME to a folder of another one`,
    );
  if (!("syscall" in error)) return error;
  return new UserError(`the mesh could not be started, and nothing of it is left: ${text}`);
}
