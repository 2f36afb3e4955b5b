/** Nodes that are not there, and pods on them that are ready at once: for thousands of them. */
import { join } from "node:path";
import { isAlive } from "../../packages/lateen/src/local/proc.ts";
import { callApi } from "./api-client.ts";
import { KWOK_STAGES } from "./binaries.ts";
import { daemons, startDaemon } from "./daemons.ts";
import { type ClusterPlan, pathsOf } from "./plan.ts";

/** Fake nodes bear this annotation and taint; pods for them tolerate it and select FAKE_NODE_LABEL. */
const FAKE = "kwok.x-k8s.io/node";
export const FAKE_NODE_LABEL = "type";
export const FAKE_NODE_VALUE = "kwok";
const PODS_PER_NODE = "110";
/** Where fake pods have their addresses; nobody answers there. */
const POD_RANGE = "10.64.0.1/10";

/** What a pod's spec needs to run on a fake node. */
export const ON_FAKE_NODES = {
  nodeSelector: { [FAKE_NODE_LABEL]: FAKE_NODE_VALUE },
  tolerations: [{ key: FAKE, operator: "Exists" }],
} as const;

/** Starts kwok, once, and creates nodes `fake-0`, `fake-1`, ... for 110 pods each. */
export async function addFakeNodes(
  plan: ClusterPlan,
  binaries: string,
  count: number,
): Promise<void> {
  if (!daemons(plan).some(each => each.name === "kwok" && isAlive(each))) startKwok(plan, binaries);
  for (let i = 0; i < count; i++) {
    const body = fakeNode(`fake-${i}`);
    const { status, text } = await callApi(plan, { method: "POST", path: "/api/v1/nodes", body });
    if (status !== 201 && status !== 409) throw new Error(`node fake-${i}: ${status} ${text}`);
  }
}

function startKwok(plan: ClusterPlan, binaries: string): void {
  startDaemon(plan, "kwok", "network", [
    join(binaries, "kwok"),
    `--kubeconfig=${pathsOf(plan).kubeconfig}`,
    `--config=${join(binaries, KWOK_STAGES)}`,
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
