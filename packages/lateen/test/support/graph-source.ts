/** The source of configuration as the control plane composes it from a graph, without certificates. */
import type { Clock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { GraphConfigSource } from "../../src/bin/config-source.ts";
import type { AnswerDebug } from "../../src/bin/debug-answers.ts";
import { debugViews } from "../../src/bin/debug-views.ts";
import type { MeshGraph } from "../../src/bin/mesh-graph.ts";
import { createSubscriptions } from "../../src/bin/subscriptions.ts";
import { ConnectionTable } from "../../src/debug/connections.ts";
import { ControlPlaneMetrics } from "../../src/debug/metrics.ts";
import type { TrustBundle, WorkloadCertificate } from "../../src/model/types.ts";
import type { Rejection } from "../../src/status/object-report.ts";
import { Rejections } from "../../src/status/rejections.ts";
import { createSecretCells } from "../../src/xds/resources/secrets.ts";

/** To be asked for before anything is committed: a graph with rows takes no more inputs. */
export function graphSource(
  mesh: MeshGraph,
  clock: Clock,
  onPodGone?: (uid: string) => void,
  debug?: AnswerDebug,
) {
  const { graph, inputs } = mesh;
  const rejected = graph.input<readonly Rejection[]>("rejections");
  const secretCells = createSecretCells(graph, {
    certificates: graph.input<WorkloadCertificate>("workload certificates"),
    bundles: graph.input<TrustBundle>("trust bundles"),
    credentials: inputs.credentials,
  });
  const connections = new ConnectionTable(() => 0);
  const subscriptions = createSubscriptions(mesh.resources, secretCells);
  const rejections = new Rejections({ ...mesh, rows: rejected, clock, log: silentLog });
  const source = new GraphConfigSource({
    mesh,
    subscriptions,
    connections,
    metrics: new ControlPlaneMetrics("test", {
      now: () => 0,
      ...debugViews(mesh).counts,
      connected: () => connections.size,
      revision: () => graph.revision,
    }),
    certificates: undefined,
    rejections,
    clock,
    log: silentLog,
    ...(onPodGone && { onPodGone }),
    ...(debug && { debug }),
  });
  return { source, connections, subscriptions, rejections, rejected };
}
