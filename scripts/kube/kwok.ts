/** Nodes that are not there, and pods on them that are ready at once: for thousands of them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { isAlive } from "../../packages/lateen/src/local/proc.ts";
import { arrayAt, isObject } from "../../packages/lateen/src/sources/json.ts";
import { callApi } from "./api-client.ts";
import { KWOK_STAGES } from "./binaries.ts";
import { type Daemon, daemons, startDaemon } from "./daemons.ts";
import { isReady } from "./node.ts";
import { type ClusterPlan, pathsOf } from "./plan.ts";
import { waitFor } from "./wait.ts";

/** Fake nodes bear this annotation and taint; pods for them tolerate it and select FAKE_NODE_LABEL. */
const FAKE = "kwok.x-k8s.io/node";
export const FAKE_NODE_LABEL = "type";
export const FAKE_NODE_VALUE = "kwok";
const PODS_PER_NODE = "110";
const READY_MS = 120_000;
/** Where fake pods have their addresses; nobody answers there. */
const POD_RANGE = "10.64.0.1/10";

const CONFIGURATION = {
  apiVersion: "config.kwok.x-k8s.io/v1alpha1",
  kind: "KwokConfiguration",
  options: {
    // Without leases nodes are taken for lost after forty seconds, and their pods are evicted.
    nodeLeaseDurationSeconds: 40,
    podPlayStageParallelism: 16,
    // It takes no default for what a file leaves out.
    nodeLeaseParallelism: 4,
    nodePlayStageParallelism: 4,
  },
};

/** What a pod's spec needs to run on a fake node. */
export const ON_FAKE_NODES = {
  nodeSelector: { [FAKE_NODE_LABEL]: FAKE_NODE_VALUE },
  tolerations: [{ key: FAKE, operator: "Exists" }],
} as const;

/** Starts kwok, once, and creates nodes `fake-0`, `fake-1`, ... for 110 pods each; until all are ready. */
export async function addFakeNodes(
  plan: ClusterPlan,
  binaries: string,
  count: number,
): Promise<void> {
  const running = daemons(plan).find(each => each.name === "kwok" && isAlive(each));
  const kwok = running ?? startKwok(plan, binaries);
  for (let i = 0; i < count; i++) {
    const body = fakeNode(`fake-${i}`);
    const { status, text } = await callApi(plan, { method: "POST", path: "/api/v1/nodes", body });
    if (status !== 201 && status !== 409) throw new Error(`node fake-${i}: ${status} ${text}`);
  }
  const path = `/api/v1/nodes?labelSelector=${FAKE_NODE_LABEL}%3D${FAKE_NODE_VALUE}`;
  await waitFor(plan, `${count} fake nodes are ready`, READY_MS, [kwok], async () => {
    const { body } = await callApi(plan, { path });
    const nodes = arrayAt(body, "items").filter(isObject);
    return nodes.filter(isReady).length >= count;
  });
}

function startKwok(plan: ClusterPlan, binaries: string): Daemon {
  const settings = join(pathsOf(plan).conf, "kwok.yaml");
  writeFileSync(settings, stringify(CONFIGURATION));
  return startDaemon(plan, "kwok", "network", [
    join(binaries, "kwok"),
    `--kubeconfig=${pathsOf(plan).kubeconfig}`,
    `--config=${join(binaries, KWOK_STAGES)}`,
    `--config=${settings}`,
    "--v=WARN",
    "--manage-all-nodes=false",
    `--manage-nodes-with-annotation-selector=${FAKE}=fake`,
    `--cidr=${POD_RANGE}`,
    "--node-ip=127.0.0.1",
    "--server-address=127.0.0.1:0",
  ]);
}

function fakeNode(name: string): object {
  const room = { cpu: "1000", memory: "1Ti", pods: PODS_PER_NODE };
  return {
    metadata: {
      name,
      annotations: { [FAKE]: "fake" },
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        [FAKE_NODE_LABEL]: FAKE_NODE_VALUE,
      },
    },
    spec: { taints: [{ key: FAKE, value: "fake", effect: "NoSchedule" }] },
    status: { allocatable: room, capacity: room },
  };
}
