/** `npm run kube:up`: a real Kubernetes cluster on this machine; see docs/kubernetes-test-bed.md. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { testImages } from "./images/build.ts";
import { type RunningCluster, up } from "./kube/cluster.ts";
import { addFakeNodes } from "./kube/kwok.ts";
import { BRIDGE_ADDRESS, MAX_CLUSTERS, pathsOf } from "./kube/plan.ts";
import { timedProgress } from "./kube/progress.ts";
import { isClusterName } from "./kube/state.ts";

const USAGE = `usage: npm run kube:up [-- FLAGS]
  --name NAME              name of the cluster (default "bed")
  --number N               1 to ${MAX_CLUSTERS}; its addresses follow from it (default: the first free one)
  --control-plane-only     etcd, API server, controller manager and scheduler on loopback, no node
  --proxy-mode MODE        kube-proxy's: iptables (default) or nftables
  --dual-stack             IPv6 beside IPv4
  --fake-nodes N           nodes that are not there (kwok), for 110 pods each; see the documentation
  --no-images              without the images of Lateen and of the sample applications`;

process.exitCode = await main();
// A connection kept alive is no reason to stay.
process.exit();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) {
    console.error(USAGE);
    return 2;
  }
  try {
    const progress = timedProgress(text => process.stdout.write(text));
    const { images, fakeNodes, ...rest } = flags;
    const options = { ...rest, progress, ...(images ? { images: testImages } : {}) };
    const cluster = await up(options);
    if (fakeNodes > 0) await addFakeNodes(cluster.plan, cluster.binaries, fakeNodes);
    print(cluster, flags.name);
    return 0;
  } catch (error) {
    console.error(`kube:up: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        name: { type: "string", default: "bed" },
        number: { type: "string" },
        "control-plane-only": { type: "boolean", default: false },
        "proxy-mode": { type: "string", default: "iptables" },
        "dual-stack": { type: "boolean", default: false },
        "fake-nodes": { type: "string", default: "0" },
        "no-images": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const number = values.number === undefined ? undefined : Number(values.number);
    const inRange = number === undefined || (number >= 1 && number <= MAX_CLUSTERS);
    const proxyMode = values["proxy-mode"];
    if (proxyMode !== "iptables" && proxyMode !== "nftables") return undefined;
    if (values.help || !inRange || !isClusterName(values.name)) return undefined;
    const mode = values["control-plane-only"] ? "control-plane" : "node";
    const { name, "dual-stack": dualStack } = values;
    const fakeNodes = Number(values["fake-nodes"]);
    if (!Number.isInteger(fakeNodes)) return undefined;
    const images = !values["no-images"];
    return { name, number, mode, proxyMode, dualStack, images, fakeNodes } as const;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function print({ plan, binaries, wasThere }: RunningCluster, name: string): void {
  const { kubeconfig } = pathsOf(plan);
  const lines = [
    "",
    wasThere ? `cluster ${name} is up already; it was left as it is.` : `cluster ${name} is up.`,
    "",
    `  export KUBECONFIG=${kubeconfig}`,
    `  export PATH=${binaries}:$PATH     # kubectl of the same version`,
    "  kubectl get pods -A",
    "",
  ];
  const node = [
    `  node ${plan.address}; pods ${plan.podRanges.join(" ")}; services ${plan.serviceRanges.join(" ")}`,
    `  addresses for load balancers: ${plan.loadBalancerRange}; this machine, seen from pods: ${BRIDGE_ADDRESS}`,
    "",
  ];
  const end = name === "bed" ? "npm run kube:down" : `npm run kube:down -- --name ${name}`;
  const logs = `  logs: ${join(pathsOf(plan).log)}; take it away: ${end}`;
  console.log([...lines, ...(plan.mode === "node" ? node : []), logs].join("\n"));
}
